/* shim.h - system calls that fail when they are told to: for a program that is linked with shim.c, or that runs with it as LD_PRELOAD.
 *
 * Calls on files are numbered from 1 on. What can happen to a call depends on what it is: a write can meet a full disk, a read cannot. In a run without a fault
 * shim.c notes for every call the faults it could meet; then each of them is a point to try.
 */
#ifndef TESTS_FAULTS_SHIM_H
#define TESTS_FAULTS_SHIM_H

#include <stddef.h>
#include <stdint.h>

typedef enum fault {
    FAULT_FULL,     /* ENOSPC, once */
    FAULT_IS_FULL,  /* ENOSPC from here on */
    FAULT_IO,       /* EIO, once */
    FAULT_READONLY, /* EROFS from here on */
    FAULT_FILES,    /* EMFILE, once */
    FAULT_ASK,      /* EACCES, once, to a question (stat, access), for whose answer "no" may be taken */
    FAULT_SIGNAL,   /* EINTR, once */
    FAULT_LINKS,    /* EPERM from here on to a second name for a file: the file system has no such */
    FAULT_SHORT,    /* half of what was asked for, once */
    FAULT_VANISH,   /* the directory is renamed to <directory>.gone before the call */
    FAULTS
} fault;

enum { MOST_CALLS = 1 << 16 };

typedef struct shim_report {
    long calls, hits;
    long kept;                  /* removals and renamings that were refused: what they would have put right may lie there */
    uint16_t could[MOST_CALLS]; /* by call from 0: bits of faults */
} shim_report;

/* Counts calls from now on, and lets call `at` (0: none) meet the fault. directory: for FAULT_VANISH, and whether it is one of its files that is meant:
 * calls with other paths are not counted. */
void shim_arm(fault kind, long at, const char *directory);
const shim_report *shim_disarm(void);

/* With LD_PRELOAD: ORTHSR_FAULT="<kind> <at> <report> <directory>"; at its end the program writes a shim_report to the file <report>. */

#endif
