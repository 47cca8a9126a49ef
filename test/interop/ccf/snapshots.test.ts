// Goal: CCF's own Python package accepts the snapshots of a live service, made under load, and refuses them as soon as one byte is different.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { connectClient, until, withService } from '../../support/local-service.ts'
import { Auditor } from './auditor.ts'

const committedIn = (directory: string): string[] =>
  readdirSync(join(directory, 'snapshots'))
    .filter((name) => name.endsWith('.committed'))
    .map((name) => join(directory, 'snapshots', name))

it('ccf.ledger.Snapshot accepts what a primary wrote, and nothing else', { timeout: 300_000 }, async () => {
  const auditor = await Auditor.hire()
  await withService({ snapshotTxCount: 50 }, async (service, test) => {
    const client = await connectClient(service)
    const files = (): string[] => service.nodes.flatMap(({ directory }) => committedIn(directory))
    let id = 0
    await until('two snapshots', async () => {
      const writes = Array.from({ length: 30 }, () => {
        id++
        const where = id % 2 === 0 ? 'public' : 'private'
        return client.request(`POST /log/${where}`, { id, msg: `message ${id}` }, { wait: 'committed' })
      })
      await Promise.all(writes)
      return files().length > 1
    })
    await client.close()
    await test.stop()
    const snapshots = files()
    const accepted = await auditor.judge(service.serviceCertificatePem, { snapshots })
    expect(accepted.snapshots).toEqual(
      snapshots.map((file) => ({
        seqno: Number(/snapshot_(\d+)_/.exec(file)![1]),
        tables: expect.any(Number) as number,
      })),
    )
    const bytes = readFileSync(snapshots[0]!)
    const changed = [20, 100, 1000, bytes.length >> 1].map((at, i) => {
      const copy = Uint8Array.from(bytes)
      copy[at]! ^= 1
      const folder = join(service.directory, `changed-${i}`)
      mkdirSync(folder)
      const file = join(folder, snapshots[0]!.slice(snapshots[0]!.lastIndexOf('/') + 1))
      writeFileSync(file, copy)
      return file
    })
    const refused = await auditor.judge(service.serviceCertificatePem, { snapshots: changed })
    for (const verdict of refused.snapshots) expect(verdict).toHaveProperty('refused')
  })
})
