/* `mote doctor`: examines the host, then prints. */
#include "api/doctor/doctor.h"

#include "api/doctor/doctor_check.h"
#include "api/doctor/doctor_report.h"
#include "core/base/err.h"

int doctor(const struct guest_arch *arch, const struct accel_ops *const *accels, bool json,
           FILE *to, struct err *e)
{
    const struct doctor_host host = { .root = "", .arch = arch, .accels = accels };
    struct doctor_finding found[DOCTOR_CHECKS];

    doctor_examine(&host, found);
    if (json)
        doctor_print_json(found, to);
    else
        doctor_print(found, to);
    if (fflush(to) != 0 || ferror(to))
        return err_sys(e, "the findings cannot be printed");
    return doctor_choose(found).accel ? 0 : 1;
}
