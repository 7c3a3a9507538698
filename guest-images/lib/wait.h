/* Waiting by the clock, without interrupts. */
#pragma once

void wait_ms(unsigned ms);
