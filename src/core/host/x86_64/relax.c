/* PAUSE (SDM 2B 4.3). */
#include "core/host/host.h"

void host_relax(void)
{
    __builtin_ia32_pause();
}
