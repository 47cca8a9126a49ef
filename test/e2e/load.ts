// A load of private messages that keeps book: what was reported as committed must be there afterwards, on whichever node.
// The rule to remember: a write whose outcome is unknown may be there or not; only a committed one must be.
import { ConcordatError, type Client } from '../../runtime/client/index.ts'
import type { TxId } from '../../protocols/ids.ts'

export interface Written {
  readonly id: number
  readonly msg: string
  readonly txId: TxId
}

export class Load {
  readonly committed: Written[] = []
  /** Codes of everything that went wrong, with how often. */
  readonly failures = new Map<string, number>()
  /** What no client should ever see. */
  readonly defects: unknown[] = []
  responses = 0
  #isStopped = false
  #nextId = 1
  readonly #running: Promise<void>[] = []

  /** `inFlight` writers for each client, until `stop`. */
  start(clients: readonly Client[], inFlight: number): this {
    for (const client of clients) for (let i = 0; i < inFlight; i++) this.#running.push(this.#write(client))
    return this
  }

  /** Resolves when every writer has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#running)
  }

  async #write(client: Client): Promise<void> {
    while (!this.#isStopped) {
      const id = this.#nextId++
      const msg = `message ${id} of the load`
      try {
        const response = await client.request('POST /log/private', { id, msg })
        this.responses++
        if (response.ok) {
          await response.committed()
          this.committed.push({ id, msg, txId: response.transaction! })
          continue
        }
        this.#fail(response.error?.code ?? `status ${response.status}`)
      } catch (error) {
        if (error instanceof ConcordatError) this.#fail(error.code)
        else this.defects.push(error)
      }
      // A refusal comes at once; without a pause the load would be of refusals only.
      await new Promise((done) => setTimeout(done, 5))
    }
  }

  #fail(code: string): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1)
  }
}

/** What a client may be told while nodes die under it: CCF's codes for a change of primary, and the SDK's for a lost node. */
export const CLEAR_CODES: readonly string[] = [
  'SessionConsistencyLost',
  'NodeUnreachable',
  'RequestTimeout',
  'TransactionInvalid',
  'PrimaryNotFound',
  'RequestAlreadyForwarded',
  'TooManyPendingTransactions',
  'InternalError',
  'ConnectionFailed',
]

/** Those of `written` that cannot be read back as they were written. */
export async function missing(client: Client, written: readonly Written[]): Promise<readonly Written[]> {
  const lost: Written[] = []
  await Promise.all(
    written.map(async (one) => {
      // The client may be on a backup, which may answer from before the last commits (CCF facts §2): late is not lost.
      const deadline = performance.now() + CATCH_UP_MS
      let found = await isThere(client, one)
      while (!found && performance.now() < deadline) found = await isThere(client, one)
      if (!found) lost.push(one)
    }),
  )
  return lost
}

const CATCH_UP_MS = 5000

async function isThere(client: Client, one: Written): Promise<boolean> {
  const [read, status] = await Promise.all([
    client.request(`GET /log/private?id=${one.id}`),
    client.request(`GET /app/tx?transaction_id=${one.txId.view}.${one.txId.seqno}`),
  ])
  const isSame = read.ok && (read.body as { readonly msg?: unknown }).msg === one.msg
  return isSame && (status.body as { readonly status?: unknown } | undefined)?.status === 'Committed'
}
