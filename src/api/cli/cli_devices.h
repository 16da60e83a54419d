#ifndef API_CLI_CLI_DEVICES_H
#define API_CLI_CLI_DEVICES_H
/*
 * The devices on the command line: what stands behind --drive, --net and the others. Pure.
 *
 * Each text is cut up in place and the configuration keeps pointers into it. A text of NULL is an
 * option without a value. -EINVAL or -ERANGE with a sentence for what is no such text; whether a
 * machine can have the devices is device_config_check's to say.
 */
struct device_config;
struct err;

int cli_drive(struct device_config *c, char *text, struct err *e); /* PATH[,KEY...] */
int cli_net(struct device_config *c, char *text, struct err *e);   /* KEY,... */
int cli_vsock(struct device_config *c, char *text, struct err *e);
int cli_balloon(struct device_config *c, char *text, struct err *e); /* [SIZE,]KEY,... */
int cli_rng(struct device_config *c, char *text, struct err *e);

#endif
