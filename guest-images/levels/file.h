#pragma once
#include <stdint.h>

/* Where the file is to be: in memory, so that levels and not disks are compared. Sets `failure` later where it is not. */
void place_file_in(const char *directory);

/* Writes so many blocks of 4 KiB, around in a file of 1 MiB; each begins with its number. */
uint32_t write_blocks(uint32_t count);

/* Returns the checksum of what is in the file after that. */
uint32_t read_blocks(uint32_t count);
