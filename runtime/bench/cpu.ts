// CPU time of processes, from the operating system's own books (Linux: /proc/<pid>/stat, proc(5)).
import { readFileSync } from 'node:fs'

/** USER_HZ: the unit of utime and stime is fixed at 1/100 s on Linux. */
const MICROSECONDS_PER_TICK = 10_000

/** User and system time so far, µs; 0 when the process is gone or this is not Linux. */
export function cpuMicroseconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command's name may hold blanks and parentheses; fields count from after its last ')'.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK
  } catch {
    return 0
  }
}
