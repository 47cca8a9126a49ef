// How the demo speaks: one line for each thing shown, and a progress bar meanwhile on a terminal (a plain line at its end otherwise).
// The rule to remember: with `--json` stdout belongs to the one object, so every line goes to stderr.
import { note, printLine, progressBar } from '../terminal/output.ts'

export interface Stage {
  advance(): void
  /** Ends the bar and says what was done. */
  done(line: string): void
}

export interface Narrator {
  say(line: string): void
  stage(label: string, total: number): Stage
}

export function narrator(toStderr: boolean): Narrator {
  const say = toStderr ? note : printLine
  return {
    say,
    stage(label, total) {
      const bar = progressBar(label.padEnd(12), total)
      let done = 0
      return {
        advance: () => bar.at(++done),
        done(line) {
          bar.end()
          say(line)
        },
      }
    },
  }
}
