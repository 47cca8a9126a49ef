// SIGKILL of nodes of a real service under load. Of three nodes one is killed, the primary as likely as another, then all: what was committed to clients
// is on a majority. A service of one node is killed whole: what was committed is on that node. Every ledger verifies to its end.
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { Prng } from '../../runtime/prng.ts'
import { verifyLedger } from '../../runtime/verify-ledger.ts'
import { openLedger } from '../../store/ledger/ledger.ts'
import { Load } from '../e2e/load.ts'
import { connectClient, until, untilExited, withService } from '../support/local-service.ts'
import { type Figures, Tally } from './figures.ts'

/** @returns what is wrong */
async function killService(prng: Prng, nodes: 1 | 3, tally: Tally): Promise<string | undefined> {
  let kills = 0
  const problem = await withService({ nodes, curve: 'P-256', chunkBytes: 40_000 }, async (service, test) => {
    const clients = await Promise.all([1, 2].map(() => connectClient(service, { requestTimeoutMs: 4000 })))
    const load = new Load().start(clients, prng.integer(4, 16))
    const moment = prng.integer(1, 150)
    await until('the moment', () => load.responses >= moment, 30_000)
    if (nodes === 3) {
      const victim = service.nodes[prng.integer(0, 2)]!
      service.kill(victim.nodeId)
      kills++
      await untilExited(service, victim.nodeId)
      const enough = load.committed.length + prng.integer(5, 40)
      await until('commits without it', () => load.committed.length > enough, 30_000)
    } else await until('commits', () => load.committed.length > moment / 2, 30_000)
    for (const { nodeId } of service.running) {
      service.kill(nodeId)
      kills++
    }
    await until('the end of all', () => service.running.length === 0)
    await Promise.all(clients.map((client) => client.close()))
    await load.stop()
    if (load.defects.length > 0) return String(load.defects[0])
    if (test.notices.length > 0) return test.notices.join('; ')
    const committed = Math.max(0, ...load.committed.map(({ txId }) => txId.seqno))
    const { serviceCertificatePem } = service
    let holders = 0
    for (const { ledgerDirectory } of service.nodes) {
      const report = verifyLedger(ledgerDirectory, { crypto: nativeCrypto, serviceCertificatePem })
      if (!report.ok) return `${report.failure.file} at ${report.failure.offset}: ${report.failure.reason}`
      // And as the next process would open it: the same signed prefix.
      const ledger = openLedger({ directory: ledgerDirectory })
      if (ledger.lastSeqno !== report.lastSignedSeqno)
        return `opened up to ${ledger.lastSeqno}, verified up to ${report.lastSignedSeqno}`
      await new Promise<void>((done) => ledger.close(() => done()))
      if (report.lastSignedSeqno >= committed) holders++
    }
    return holders > nodes / 2 ? undefined : `${committed} was committed, and ${holders} of ${nodes} nodes hold it`
  })
  for (let i = 0; i < kills; i++) tally.tried(`of ${nodes === 1 ? 'the only node' : 'one of three nodes'}`)
  return problem
}

export async function nodeKills(seed: number, kills: number): Promise<Figures> {
  const tally = new Tally('SIGKILL of nodes of a service', 'kills')
  const prng = new Prng(seed).fork('nodes')
  for (let service = 0; tally.figures.tried < kills; service++) {
    const problem = await killService(prng, service % 2 === 0 ? 3 : 1, tally)
    if (problem !== undefined) tally.lost(`seed ${seed}, service ${service}`, problem)
  }
  return tally.figures
}
