// A historian by itself, over ledger records and an index of the past: what a restarted node has. Its effects are performed at once, its pauses
// take no time. The rule to remember: `settle` returns when nothing is under way any more.
import type { Effect } from '../../../actors/effects.ts'
import { historian } from '../../../actors/historian/historian.ts'
import type { HistorianConfig, HistorianEvent, HistorianState } from '../../../actors/historian/state.ts'
import type { AppResponse, Caller } from '../../../protocols/app.ts'
import { EMPTY } from '../../../protocols/codec/bytes.ts'
import type { HistoryCommitted, Patience } from '../../../protocols/historical/messages.ts'
import type { TxId } from '../../../protocols/ids.ts'
import type { Executed } from '../../../protocols/requests.ts'
import type { SimDisk } from '../../../runtime/host/sim-disk.ts'
import type { PastIndexPort } from '../../../runtime/host/ports.ts'

const CALLER: Caller = { kind: 'anonymous' }

export class LoneHistorian {
  readonly #disk: SimDisk
  readonly #index: PastIndexPort
  #state: ReturnType<typeof historian.start>['state']
  #seq = 0
  readonly #events: HistorianEvent[] = []
  #underWay: Promise<void>[] = []
  readonly responses: AppResponse[] = []
  /** Entries read so far. */
  reads = 0
  at = 0

  constructor(config: HistorianConfig, disk: SimDisk, index: PastIndexPort) {
    this.#disk = disk
    this.#index = index
    this.#state = historian.start(config).state
  }

  get s(): HistorianState {
    return this.#state.s
  }

  get phase(): string {
    return this.#state.value
  }

  async commit(committed: Omit<HistoryCommitted, 'type'>): Promise<void> {
    this.post({ type: 'historyCommitted', ...committed })
    await this.settle()
  }

  /** Asks; the answers are in `responses` once it has settled. */
  ask(
    path: string,
    target: TxId | undefined,
    options: { readonly id?: number; readonly patience?: Patience } = {},
  ): void {
    const { id = 1, patience = 'untilReady' } = options
    const isReceipt = path.startsWith('/app/receipt')
    this.post({
      type: 'historicalQuery',
      origin: 'session/1',
      originToken: 1,
      caller: CALLER,
      request: { id, verb: 'GET', path, body: EMPTY },
      wanted: isReceipt ? 'receipt' : 'endpoint',
      target,
      patience,
    })
  }

  post(event: HistorianEvent): void {
    this.#events.push(event)
  }

  async settle(): Promise<void> {
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) this.#step(event)
      else if (this.#underWay.length === 0) return
      else {
        const underWay = this.#underWay
        this.#underWay = []
        await Promise.all(underWay)
      }
    }
  }

  #step(event: HistorianEvent): void {
    const next = historian.step(this.#state, { seq: ++this.#seq, at: this.at, from: 'test', to: 'historian', event })
    this.#state = next.state
    for (const { name, broken } of historian.invariants) {
      const problem = broken(next.state)
      if (problem !== undefined) throw new Error(`${name}: ${problem}`)
    }
    for (const effect of next.effects) this.#perform(effect)
  }

  /** Calls of the index end when they like: LMDB's later than those in memory. */
  #later(call: (done: (error: Error | undefined, event: HistorianEvent) => void) => void): void {
    this.#underWay.push(
      new Promise((resolve, reject) => {
        call((error, event) => {
          if (error !== undefined) {
            reject(error)
            return
          }
          this.post(event)
          resolve()
        })
      }),
    )
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'readLedger': {
        this.reads++
        const signature = this.#disk.signatureAfter(effect.seqno)
        const entry = this.#disk.at(effect.seqno)?.bytes
        const found = { entry, signatureSeqno: signature?.seqno, signatureEntry: signature?.bytes }
        this.post({ type: 'ledgerRead', token: effect.token, ...found })
        return
      }
      case 'readEntries':
        this.post({
          type: 'entriesRead',
          token: effect.token,
          records: this.#disk.readBack(effect.from, effect.to, effect.bytesMax),
        })
        return
      case 'openIndex':
        this.#later((done) => this.#index.open(effect.clear, (e, mark) => done(e, { type: 'indexOpened', mark })))
        return
      case 'writeIndex':
        this.#later((done) => this.#index.write(effect.rows, effect.mark, (e) => done(e, { type: 'indexWritten' })))
        return
      case 'readIndex':
        this.#later((done) =>
          this.#index.read(effect, (e, seqnos) => done(e, { type: 'indexRead', token: effect.token, seqnos })),
        )
        return
      case 'setTimer':
        if (effect.name === 'indexPause') this.post({ type: 'indexPause' })
        return
      case 'send':
        if (effect.to === 'historian') this.post(effect.message as HistorianEvent)
        else this.responses.push(...(effect.message as unknown as Executed).responses)
        return
      case 'trace':
        return
      case 'append':
      case 'cancelTimer':
      case 'drawBytes':
      case 'installKey':
      case 'lifecycle':
      case 'markCommitted':
      case 'publish':
      case 'sign':
      case 'startActor':
      case 'listSnapshots':
      case 'readSnapshot':
      case 'saveSnapshot':
      case 'stopActor':
      case 'truncate':
        throw new Error(`a historian does not ask for ${effect.type}`)
    }
  }
}
