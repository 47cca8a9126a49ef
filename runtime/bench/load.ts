// Closed-loop load: always `inFlight` operations under way for a while, latencies recorded, warm-up not counted.

export interface LoadResult {
  readonly operations: number
  readonly seconds: number
  readonly failed: number
  /** Milliseconds, to the answer and (for writes) to the commit. */
  readonly response: Percentiles
  readonly commit: Percentiles | undefined
}

export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

export interface Completion {
  readonly failed: boolean
  readonly responseAt: number
  readonly committedAt: number | undefined
}

/** Starts one operation and calls back once when it is over. */
export type Operation = (index: number, done: (completion: Completion) => void) => void

export interface LoadOptions {
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** Called when the measured part begins and ends. */
  readonly onPhase: (phase: 'begin' | 'end') => void
}

export function runLoad(operation: Operation, options: LoadOptions): Promise<LoadResult> {
  return new Promise((resolve) => {
    const responses: number[] = []
    const commits: number[] = []
    let failed = 0
    let index = 0
    let underWay = 0
    let phase: 'warmUp' | 'measure' | 'drain' = 'warmUp'
    let beganAt = 0
    let seconds = 0
    const start = (): void => {
      underWay++
      const at = performance.now()
      operation(index++, ({ failed: isFailure, responseAt, committedAt }) => {
        underWay--
        if (phase === 'measure') {
          if (isFailure) failed++
          else {
            responses.push(responseAt - at)
            if (committedAt !== undefined) commits.push(committedAt - at)
          }
        }
        if (phase !== 'drain') start()
        else if (underWay === 0) finish()
      })
    }
    const finish = (): void =>
      resolve({
        operations: responses.length,
        seconds,
        failed,
        response: percentiles(responses),
        commit: commits.length === 0 ? undefined : percentiles(commits),
      })
    setTimeout(() => {
      phase = 'measure'
      beganAt = performance.now()
      options.onPhase('begin')
      setTimeout(() => {
        phase = 'drain'
        seconds = (performance.now() - beganAt) / 1000
        options.onPhase('end')
        if (underWay === 0) finish()
      }, options.measureMs)
    }, options.warmUpMs)
    for (let i = 0; i < options.inFlight; i++) start()
  })
}

function percentiles(samples: number[]): Percentiles {
  samples.sort((a, b) => a - b)
  const at = (share: number): number => samples[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}
