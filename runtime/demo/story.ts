// The demo's story, in order: start, register under load, kill the primary in the middle, prove that nothing was lost, stop, prove the ledgers.
// Not a test: it shows on a real service, with public means only, what Concordat promises. Chapters: registrar.ts, receipts.ts, ledgers.ts.
// The rule to remember: it reports what it measured and observed, and every promise that does not hold is named in `failures`.
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { toHex } from '../../protocols/codec/bytes.ts'
import { nodeId as asNodeId, type NodeId } from '../../protocols/ids.ts'
import { connect, verifyReceipt, type Client } from '../client/index.ts'
import { Problem } from '../terminal/problem.ts'
import type { LocalService } from '../local-service.ts'
import { askRpc } from '../rpc-request.ts'
import type { Statement } from '../samples/statement.ts'
import { checkLedgers, type LedgerOutcome } from './ledgers.ts'
import type { Narrator } from './narrator.ts'
import { fetchReceipt, receiptProblem, tamper } from './receipts.ts'
import { findLost, registerAll, type Registration } from './registrar.ts'

export interface DemoReport {
  /** `embedded`, or the address of the NATS server that was given. */
  readonly broker: string
  readonly nodes: number
  readonly statements: number
  readonly committed: number
  readonly receiptsVerified: number
  /** Of two: a statement and a receipt. */
  readonly tamperedRefused: number
  readonly failover: {
    /** Node ids. */
    readonly killed: NodeId
    readonly newPrimary: NodeId
    /** From SIGKILL to the first commit of a transaction of the new primary. */
    readonly resumedAfterMs: number
  }
  /** Registrations that were reported as committed and are not there any more. */
  readonly lostCommitted: number
  readonly ledgersVerified: number
  /** Of the last signature in the surviving ledgers: 64 hex digits. */
  readonly ledgerRoot: string | null
}

export interface Story {
  readonly report: DemoReport
  /** In words; empty when everything holds. */
  readonly failures: readonly string[]
}

const SESSIONS = 4
const IN_FLIGHT = 48
const REGISTER_TIMEOUT_MS = 60_000
const NEW_PRIMARY_TIMEOUT_MS = 30_000
/** Silence after which a client asks whether its node is alive: the nodes are on this machine. */
const PING_AFTER_MS = 150
const SHORT_ID_CHARS = 12
const TAMPERINGS = 2

const short = (id: string): string => `${id.slice(0, SHORT_ID_CHARS)}…`

interface Failover {
  readonly killed: NodeId
  readonly killedAt: number
  readonly viewBefore: number
  resumedAfterMs: number | undefined
}

interface Network {
  readonly primary: NodeId | undefined
  readonly view: number
}

async function askNetwork(service: LocalService): Promise<Network | undefined> {
  const reply = await askRpc(service.bus, service.service, 'GET /node/network', 500)
  if (reply?.status !== 200) return undefined
  const { primary_id, current_view } = reply.body as {
    readonly primary_id: string | null
    readonly current_view: number
  }
  return { primary: primary_id === null ? undefined : asNodeId(primary_id), view: current_view }
}

/** Resolves with the first answer that will do. @throws Problem when there is none in time. */
async function untilPrimary(service: LocalService, willDo: (found: Network) => boolean): Promise<NodeId> {
  const deadline = performance.now() + NEW_PRIMARY_TIMEOUT_MS
  while (performance.now() < deadline) {
    const found = await askNetwork(service)
    if (found?.primary !== undefined && willDo(found)) return found.primary
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Problem(`no primary was found within ${NEW_PRIMARY_TIMEOUT_MS} ms`)
}

/** Tells the story of a running service, and stops its nodes before the last chapter. `broker`: as the report shall name it. */
export async function tellStory(
  service: LocalService,
  statements: readonly Statement[],
  { say, stage }: Narrator,
  broker: string,
): Promise<Story> {
  const nodes = service.nodes.length
  const failures: string[] = []
  const clients = await connectAll(service)
  try {
    const { registrations, failover } = await registerThroughFailover(service, clients, statements, { say, stage })
    const newPrimary = await untilPrimary(service, ({ primary }) => primary !== failover.killed)
    const reader = clients[0]!
    const lost = await readBack(reader, registrations, { say, stage }, failures)
    const proofs = await proveAll(service, reader, registrations, { say, stage }, failures)
    await Promise.all(clients.map((client) => client.close()))
    const survivors = service.running.map(({ ledgerDirectory }) => ledgerDirectory)
    await service.stop()
    const ledgers = auditLedgers(service, survivors, registrations, proofs.leaves, { say, stage }, failures)
    if (survivors.length !== nodes - 1) failures.push(`${survivors.length} nodes survived, expected ${nodes - 1}`)
    if (failover.resumedAfterMs === undefined) failures.push('no transaction of a new primary was committed')
    return {
      failures,
      report: {
        broker,
        nodes,
        statements: statements.length,
        committed: registrations.length,
        receiptsVerified: proofs.verified,
        tamperedRefused: proofs.tamperedRefused,
        failover: {
          killed: failover.killed,
          newPrimary,
          resumedAfterMs: Math.round(failover.resumedAfterMs ?? -1),
        },
        lostCommitted: lost,
        ledgersVerified: ledgers.filter(({ problem }) => problem === undefined).length,
        ledgerRoot: ledgers[0]?.root ?? null,
      },
    }
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
}

async function connectAll(service: LocalService): Promise<readonly Client[]> {
  const { servers, token, user } = service
  return Promise.all(
    Array.from({ length: SESSIONS }, () =>
      connect({
        servers,
        service: service.service,
        trust: service.serviceCertificatePem,
        identity: user,
        pingAfterMs: PING_AFTER_MS,
        ...(token === undefined ? {} : { token }),
      }),
    ),
  )
}

/** Half-way through, with requests on their way, the primary is killed as a crash does. */
async function registerThroughFailover(
  service: LocalService,
  clients: readonly Client[],
  statements: readonly Statement[],
  { say, stage }: Narrator,
): Promise<{ readonly registrations: readonly Registration[]; readonly failover: Failover }> {
  const before = await askNetwork(service)
  if (before?.primary === undefined) throw new Problem('the service has no primary')
  const primary = before.primary
  const half = Math.ceil(statements.length / 2)
  let failover: Failover | undefined
  const bar = stage('registering', statements.length)
  const registrations = await registerAll(statements, {
    crypto: nativeCrypto,
    clients,
    inFlight: IN_FLIGHT,
    deadlineMs: REGISTER_TIMEOUT_MS,
    onResponse: (responses) => {
      if (responses < half || failover !== undefined) return
      service.kill(primary)
      failover = { killed: primary, killedAt: performance.now(), viewBefore: before.view, resumedAfterMs: undefined }
      say(`SIGKILL to the primary ${short(primary)} after ${responses} of ${statements.length} responses`)
    },
    onCommitted: ({ txId }) => {
      bar.advance()
      if (failover === undefined || failover.resumedAfterMs !== undefined || txId.view <= failover.viewBefore) return
      failover.resumedAfterMs = performance.now() - failover.killedAt
    },
  })
  const again = registrations.filter(({ attempts }) => attempts > 1).length
  bar.done(`${registrations.length} statements committed, ${again} of them registered again after the failure`)
  if (failover === undefined) throw new Problem('the load was over before the primary could be killed')
  const resumed: Failover = failover
  if (resumed.resumedAfterMs !== undefined)
    say(`the service resumed ${Math.round(resumed.resumedAfterMs)} ms after the kill`)
  return { registrations, failover: resumed }
}

async function readBack(
  client: Client,
  registrations: readonly Registration[],
  { stage }: Narrator,
  failures: string[],
): Promise<number> {
  const bar = stage('reading back', registrations.length)
  const lost = await findLost(client, registrations, () => bar.advance())
  for (const { statement } of lost) failures.push(`${statement.subject} was committed and is lost`)
  bar.done(`${registrations.length - lost.length} of ${registrations.length} read back: committed and unchanged`)
  return lost.length
}

interface Proofs {
  readonly verified: number
  readonly tamperedRefused: number
  /** Leaves (hex) by seqno. */
  readonly leaves: ReadonlyMap<number, string>
}

async function proveAll(
  service: LocalService,
  client: Client,
  registrations: readonly Registration[],
  { say, stage }: Narrator,
  failures: string[],
): Promise<Proofs> {
  const { serviceCertificatePem } = service
  const leaves = new Map<number, string>()
  const bar = stage('receipts', registrations.length)
  const receipts = await Promise.all(registrations.map((registration) => fetchReceipt(client, registration)))
  registrations.forEach((registration, i) => {
    const receipt = receipts[i]!
    const problem = receiptProblem(verifyReceipt, serviceCertificatePem, registration, receipt)
    if (problem !== undefined) failures.push(`receipt of ${registration.statement.subject}: ${problem}`)
    const result = verifyReceipt(receipt, { serviceCertificate: serviceCertificatePem })
    if (problem === undefined && result.ok) leaves.set(registration.txId.seqno, toHex(result.leaf))
    bar.advance()
  })
  bar.done(`${leaves.size} of ${receipts.length} receipts verified offline, each against its statement`)
  const tamperings = tamper(verifyReceipt, serviceCertificatePem, registrations[0]!, receipts[0]!)
  for (const { what, refused, reason } of tamperings) {
    say(`${what} is ${refused ? `refused: ${reason}` : 'NOT refused'}`)
    if (!refused) failures.push(`${what} was believed`)
  }
  const tamperedRefused = tamperings.filter(({ refused }) => refused).length
  if (tamperedRefused !== TAMPERINGS) failures.push(`${tamperedRefused} of ${TAMPERINGS} tamperings were refused`)
  return { verified: leaves.size, tamperedRefused, leaves }
}

function auditLedgers(
  service: LocalService,
  directories: readonly string[],
  registrations: readonly Registration[],
  leaves: ReadonlyMap<number, string>,
  { say }: Narrator,
  failures: string[],
): readonly LedgerOutcome[] {
  const { serviceCertificatePem } = service
  const committedSeqno = Math.max(...registrations.map(({ txId }) => txId.seqno))
  const outcomes = checkLedgers(directories, { crypto: nativeCrypto, serviceCertificatePem, committedSeqno, leaves })
  for (const { directory, lastSignedSeqno, root, problem } of outcomes) {
    if (problem === undefined) say(`ledger verified offline up to seqno ${lastSignedSeqno}, root ${root}: ${directory}`)
    else failures.push(`ledger ${directory}: ${problem}`)
  }
  return outcomes
}
