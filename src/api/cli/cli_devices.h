#ifndef API_CLI_CLI_DEVICES_H
#define API_CLI_CLI_DEVICES_H
/*
 * The devices on the command line: the values of --drive, --net and the others. Pure.
 *
 * Each function cuts its text up in place, and the configuration keeps pointers into it. A text of
 * NULL is an option without a value. A malformed text fails with -EINVAL or -ERANGE and a sentence;
 * device_config_check decides later whether one machine can have all the devices.
 */
struct device_config;
struct err;

int cli_drive(struct device_config *c, char *text, struct err *e);   /* PATH[,KEY...] */
int cli_net(struct device_config *c, char *text, struct err *e);     /* KEY,... */
int cli_vsock(struct device_config *c, char *text, struct err *e);   /* KEY,... */
int cli_balloon(struct device_config *c, char *text, struct err *e); /* [SIZE,]KEY,... */
int cli_rng(struct device_config *c, char *text, struct err *e);     /* KEY,... */

#endif
