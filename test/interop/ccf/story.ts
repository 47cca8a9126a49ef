// The service whose ledgers and receipts CCF's package judges: a mixed load, a new ledger secret, a node that joins, a primary that is killed.
// Not a judgement: what was reported as committed is noted down, and the directories are left for the auditor.
// The rule to remember: chunks are small, so that even a short story fills several of them on each node.
import { parseTxId, type NodeId } from '../../../protocols/ids.ts'
import type { Receipt } from '../../../protocols/receipts/receipt.ts'
import { ConcordatError, type Client, type Response } from '../../../runtime/client/index.ts'
import type { LocalService } from '../../../runtime/local-service.ts'
import { fromUtf8 } from '../../../protocols/codec/bytes.ts'
import { statementBytes, type Statement } from '../../../runtime/samples/statement.ts'
import {
  connectClient,
  startTestService,
  TEST_TIMING,
  until,
  untilPrimary,
  type TestService,
} from '../../support/local-service.ts'
import { joinFourth, rekey } from '../../support/operator.ts'
import { CLEAR_CODES, Load } from '../../e2e/load.ts'

const CHUNK_BYTES = 24 * 1024
const ROUNDS = 6
/** At least; the first follows the record that the service began with, the second one of a rekey: CCF's rule differs. */
export const REKEYS = 2
/** Other tests may run at the same time: a primary is given more time than where a service is alone. */
const TIMING = { ...TEST_TIMING, electionTimeoutMs: 1500 }

/** A receipt as the service gave it, and what it must prove. */
export interface NotedReceipt {
  readonly what: string
  readonly receipt: Receipt
  /** Text whose SHA-256 is the claims digest. */
  readonly claims: string | undefined
}

export interface Story {
  readonly serviceCertificatePem: string
  /** Ledgers of the nodes that were there from the start and survived. */
  readonly survivors: readonly string[]
  readonly killed: { readonly nodeId: NodeId; readonly directory: string }
  readonly joined: string
  /** Values of public tables that were reported as committed, as text; and those whose outcome nobody was told. */
  readonly committed: ReadonlySet<string>
  readonly unknown: ReadonlySet<string>
  /** The highest seqno reported as committed. */
  readonly committedSeqno: number
  /** Of the primary that came after the killed one. */
  readonly viewAfter: number
  readonly receipts: readonly NotedReceipt[]
}

/** Tells the whole story and stops the service; its files stay until `dispose` of the second. */
export async function tellStory(): Promise<{ readonly story: Story; dispose(): Promise<void> }> {
  const test = await startTestService({ chunkBytes: CHUNK_BYTES, timing: TIMING })
  try {
    return { story: await tell(test), dispose: () => test.dispose() }
  } catch (error) {
    await test.dispose()
    throw new Error(`the story broke off; nodes said: ${test.notices.join('\n') || 'nothing'}`, { cause: error })
  }
}

async function tell(test: TestService): Promise<Story> {
  const { service } = test
  const client = await connectClient(service)
  const teller = new Teller(client)
  await teller.rounds(ROUNDS)
  for (let i = 0; i < REKEYS; i++) {
    await rekey(service, { wait: 'committed' })
    await teller.rounds(1)
  }
  const joined = await joinFourth(service, {
    timing: TIMING,
    onNotice: (notice) => {
      throw new Error(`the joining node said: ${notice}`)
    },
  })
  try {
    await teller.rounds(ROUNDS)
    const signature = await lastSignature(client)
    const first = await teller.noteworthy('before the failover')
    const { before, after } = await failOver(service, client)
    await teller.rounds(ROUNDS)
    const noteworthy = [...first, ...(await teller.noteworthy('after the failover'))]
    const receipts = await Promise.all(
      noteworthy.map(async ({ response, ...rest }) => ({ ...rest, receipt: await response.receipt() })),
    )
    receipts.push({ what: 'signature transaction', claims: undefined, receipt: await receiptOf(client, signature) })
    await client.close()
    await joined.child.stop()
    await test.stop()
    if (test.notices.length > 0) throw new Error('a node gave notice')
    const ledgers = service.nodes.map(({ nodeId, ledgerDirectory }) => ({ nodeId, directory: ledgerDirectory }))
    return {
      serviceCertificatePem: service.serviceCertificatePem,
      survivors: ledgers.filter(({ nodeId }) => nodeId !== before.primary).map(({ directory }) => directory),
      killed: ledgers.find(({ nodeId }) => nodeId === before.primary)!,
      joined: joined.ledgerDirectory,
      committed: teller.committed,
      unknown: teller.unknown,
      committedSeqno: Math.max(...teller.responses.map(({ transaction }) => transaction?.seqno ?? 0)),
      viewAfter: after.view,
      receipts,
    }
  } finally {
    await joined.child.stop()
  }
}

/** The primary is killed under load, when it has committed some of it; ends when its successor has, too. */
async function failOver(service: LocalService, client: Client) {
  const load = new Load().start([client], 4)
  const before = await untilPrimary(service)
  await until('some load', () => load.committed.filter(({ txId }) => txId.view >= before.view).length > 20)
  service.kill(before.primary)
  const after = await untilPrimary(service, ({ primary, view }) => primary !== before.primary && view > before.view)
  await until('commits by the new primary', () => load.committed.some(({ txId }) => txId.view >= after.view))
  await load.stop()
  const unclear = [...load.failures.keys()].filter((code) => !CLEAR_CODES.includes(code))
  if (load.defects.length > 0 || unclear.length > 0) {
    throw new Error(`clients were told ${unclear.join(', ')}`, { cause: load.defects })
  }
  return { before, after }
}

interface Write {
  readonly target: string
  readonly body?: unknown
  /** What the write adds to a public table, as text. */
  readonly value?: string
}

interface Done<W extends Write> {
  readonly write: W
  readonly response: Response
}

/** Sends the load and keeps book of it. */
class Teller {
  /** Texts in public tables: reported as committed, and those whose writing was not answered so. */
  readonly committed = new Set<string>()
  readonly unknown = new Set<string>()
  readonly responses: Response[] = []
  readonly #client: Client
  #nextId = 1

  constructor(client: Client) {
    this.#client = client
  }

  /** Each a batch of writes to public and private tables, with and without claims, of removals, and of reads. */
  async rounds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await Promise.all([
        this.#message('private'),
        this.#message('private'),
        this.#message('public'),
        this.#message('public'),
        this.#statement(),
        this.#removal(),
        this.#raw(),
        this.#client.request('GET /log/public/range'),
        this.#client.request('GET /statements'),
      ])
    }
  }

  /** One transaction of each sort, whose receipts are wanted. */
  async noteworthy(when: string): Promise<Noteworthy[]> {
    const [secret, open, statement] = await Promise.all([
      this.#message('private'),
      this.#message('public'),
      this.#statement(),
    ])
    return [
      { what: `private message ${when}`, claims: undefined, response: secret.response },
      { what: `public message ${when}`, claims: undefined, response: open.response },
      { what: `statement with claims ${when}`, claims: statement.write.value, response: statement.response },
    ]
  }

  #message(where: 'public' | 'private'): Promise<Done<Write>> {
    return this.#untilCommitted((id) => {
      const msg = `${where} message ${id}, ${'long '.repeat(id % 7)}enough`
      return { target: `POST /log/${where}`, body: { id, msg }, ...(where === 'public' && { value: msg }) }
    })
  }

  #statement(): Promise<Done<Write & { readonly value: string }>> {
    return this.#untilCommitted((id) => {
      const body: Statement = { subject: `pkg:npm/example@${id}`, payload: `content ${id}` }
      return { target: 'POST /statements', body, value: fromUtf8(statementBytes(body)) }
    })
  }

  async #removal(): Promise<void> {
    const { write } = await this.#untilCommitted((id) => ({
      target: 'POST /log/private',
      body: { id, msg: 'soon gone' },
    }))
    await this.#untilCommitted(() => ({ target: `DELETE /log/private?id=${write.body.id}` }))
  }

  #raw(): Promise<Done<Write>> {
    return this.#untilCommitted((id) => ({
      target: `POST /log/public/raw/${id}`,
      body: Uint8Array.from({ length: id % 300 }, (_, i) => (i * id) & 0xff),
    }))
  }

  /** A busy machine may elect another primary at any time; what was lost then is written anew, under another id. */
  #untilCommitted<W extends Write>(make: (id: number) => W): Promise<Done<W>> {
    return until('a committed write', async () => {
      const write = make(this.#nextId++)
      const response = await this.#send(write)
      return response && { write, response }
    })
  }

  async #send({ target, body, value }: Write): Promise<Response | undefined> {
    const outcome = await this.#client
      .request(target, body, { wait: 'committed' })
      .catch((error: unknown) => (error instanceof ConcordatError ? error : Promise.reject(error as Error)))
    if (outcome instanceof ConcordatError || !outcome.ok) {
      const code = outcome instanceof ConcordatError ? outcome.code : outcome.error?.code
      if (code === undefined || !CLEAR_CODES.includes(code)) throw new Error(`${target}: ${code}`)
      if (value !== undefined) this.unknown.add(value)
      return undefined
    }
    if (value !== undefined) this.committed.add(value)
    this.responses.push(outcome)
    return outcome
  }
}

interface Noteworthy {
  readonly what: string
  readonly claims: string | undefined
  readonly response: Response
}

/** Commit is always at a signature transaction. */
async function lastSignature(client: Client): Promise<string> {
  const response = await client.request('GET /app/commit')
  const { transaction_id: id } = response.body as { readonly transaction_id?: string }
  if (parseTxId(id ?? '') === undefined) throw new ConcordatError('InternalError', 'no commit')
  return id!
}

const receiptOf = (client: Client, txId: string): Promise<Receipt> =>
  until(`the receipt of ${txId}`, async () => {
    const response = await client.request(`GET /app/receipt?transaction_id=${txId}`)
    return response.status === 200 && (response.body as Receipt)
  })
