/* mote: boots one guest. */
#include <stdio.h>

int main(void)
{
    puts("mote " MOTE_VERSION);
    return 0;
}
