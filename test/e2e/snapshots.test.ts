// Goal: real nodes make snapshots, periodically and on request, that the ledger verifier accepts; a node joins from one without the entries before;
// killed, its directory serves a new node, which uses the snapshots again and loses nothing of what was there.
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { connect } from '../../runtime/client/index.ts'
import { joinService, type JoinedNode } from '../../runtime/join-service.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { verifyLedger } from '../../runtime/verify-ledger.ts'
import { connectClient, program, TEST_TIMING, until, withService } from '../support/local-service.ts'

const TX_COUNT = 50

const snapshotsIn = (directory: string): string[] =>
  readdirSync(join(directory, 'snapshots')).filter((name) => name.endsWith('.committed'))

const verified = (service: LocalService, directory: string) => {
  const { serviceCertificatePem } = service
  const report = verifyLedger(join(directory, 'ledger'), {
    crypto: nativeCrypto,
    serviceCertificatePem,
    snapshots: join(directory, 'snapshots'),
  })
  if (!report.ok) throw new Error(JSON.stringify(report.failure))
  return report
}

const operatorOf = ({ directory }: LocalService) => ({
  certificatePem: readFileSync(join(directory, 'member0_cert.pem'), 'utf8'),
  privateKeyPem: readFileSync(join(directory, 'member0_privk.pem'), 'utf8'),
})

async function joined(service: LocalService, directory: string, notices: string[]): Promise<JoinedNode> {
  return joinService({
    program: await program(),
    directory,
    name: 'joiner',
    address: 'joiner',
    service: service.service,
    servers: service.servers,
    serviceCertificatePem: service.serviceCertificatePem,
    operator: operatorOf(service),
    timing: TEST_TIMING,
    onNotice: (notice) => notices.push(notice),
  })
}

it('snapshots of a live service verify, let nodes join, and outlive the node that has them', { timeout: 240_000 }, () =>
  withService({ snapshotTxCount: TX_COUNT }, async (service, test) => {
    const client = await connectClient(service)
    const write = async (count: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: count }, (_, id) =>
          client.request('POST /log/private', { id, msg: `message ${id}` }, { wait: 'committed' }),
        ),
      )
    }
    const makers = (): string[] =>
      service.nodes.map(({ directory }) => directory).filter((directory) => snapshotsIn(directory).length > 0)
    await until('a periodic snapshot', async () => {
      await write(40)
      return makers().length > 0
    })
    const operator = await connect({
      servers: service.servers,
      service: service.service,
      trust: service.serviceCertificatePem,
      identity: operatorOf(service),
    })
    const before = makers().flatMap(snapshotsIn)
    const asked = await operator.request('POST /node/snapshot:create')
    expect([asked.status, asked.body]).toEqual([200, { requested: true }])
    const refused = await client.request('POST /node/snapshot:create')
    expect(refused.status).toBe(401)
    await until('a requested snapshot', () =>
      makers()
        .flatMap(snapshotsIn)
        .some((name) => !before.includes(name)),
    )

    const directory = join(service.directory, 'joiner')
    const notices: string[] = []
    const first = await joined(service, directory, notices)
    await write(20)
    const begins = Number(/^ledger_(\d+)/.exec(readdirSync(join(directory, 'ledger')).sort()[0]!)![1])
    expect(begins).toBeGreaterThan(TX_COUNT)
    first.child.kill('SIGKILL')
    await until('the node is dead', () => first.child.hasExited)
    const held = snapshotsIn(directory)
    expect(held.some((name) => name.startsWith(`snapshot_${begins - 1}_`))).toBe(true)
    // What a kill during a write leaves, and a snapshot that somebody changed.
    writeFileSync(join(directory, 'snapshots', 'snapshot_998_999'), 'half')
    const changed = readFileSync(join(directory, 'snapshots', held[0]!))
    changed[changed.length >> 1]! ^= 1
    writeFileSync(join(directory, 'snapshots', 'snapshot_999998_999999.committed'), changed)
    const left = readFileSync(join(directory, 'ledger', `ledger_${begins}`))
    expect(notices).toEqual([])

    const second = await joined(service, directory, notices)
    expect(readFileSync(join(directory, 'earlier-1', 'ledger', `ledger_${begins}`)).equals(left)).toBe(true)
    expect(notices.join('\n')).toContain('set aside')
    expect(notices.join('\n')).toContain('unfinished snapshot snapshot_998_999 was removed')
    expect(notices.join('\n')).toContain('snapshot_999998_999999.committed of this node is not used')
    await write(20)
    await Promise.all([client.close(), operator.close()])
    await second.child.stop()
    await test.stop()

    const makerReports = makers().map((maker) => verified(service, maker))
    for (const { snapshots } of makerReports) {
      expect(snapshots.length).toBeGreaterThan(0)
      for (const { standing } of snapshots) expect(standing).toBe('agrees')
    }
    // The changed one is not among what is verified of the new node.
    const copy = join(service.directory, 'copy')
    cpSync(directory, copy, { recursive: true, filter: (source) => !source.includes('999998') })
    expect(verified(service, copy).snapshots.map(({ standing }) => standing)).toContain('beginning')
  }),
)
