// How commands speak: results on stdout (a person's lines or one JSON object), progress on stderr and only to a terminal.
// The rule to remember: with `--json` nothing but the object may reach stdout.

export const printLine = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

export const printJson = (value: unknown): void => printLine(JSON.stringify(value, undefined, 2))

/** For people, beside the result. */
export const note = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

const BAR_CHARS = 30
const REDRAW_EVERY_MS = 50

export interface Progress {
  /** `done` of the total, in any unit. */
  at(done: number): void
  end(): void
}

const silent: Progress = { at: () => undefined, end: () => undefined }

/** A progress bar on stderr; nothing at all when stderr is not a terminal or there is nothing to do. */
export function progressBar(label: string, total: number, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY || total <= 0) return silent
  let drawnAtMs = -Infinity
  const draw = (done: number): void => {
    const share = Math.min(1, done / total)
    const bar = '█'.repeat(Math.round(share * BAR_CHARS)).padEnd(BAR_CHARS, '░')
    stream.write(`\r${label} ${bar} ${Math.floor(share * 100)} %`)
  }
  return {
    at(done) {
      const nowMs = performance.now()
      if (nowMs - drawnAtMs < REDRAW_EVERY_MS) return
      drawnAtMs = nowMs
      draw(done)
    },
    end: () => stream.write('\r\u001b[K'),
  }
}
