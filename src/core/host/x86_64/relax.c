/* PAUSE (SDM 2B 4.3). */
#include "core/host/relax.h"

void cpu_relax(void)
{
    __builtin_ia32_pause();
}
