#pragma once
/* Why the last workload failed while it ran; NULL where it did not. */
extern const char *failure;
