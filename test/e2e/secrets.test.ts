// Goal: a live service renews its ledger secret under load and through the death of its primary; a node that joins reads what is older than
// itself; and afterwards members' shares open every ledger, that of the dead node too, while one share too few opens nothing.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { certificateId, parseCertificate } from '../../protocols/crypto/certificate.ts'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import type { Client } from '../../runtime/client/index.ts'
import type { JoinedNode } from '../../runtime/join-service.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { listNodes } from '../../runtime/operator.ts'
import { connectClient, until, untilPrimary, withService } from '../support/local-service.ts'
import { joinFourth, rekey } from '../support/operator.ts'
import { concordat, temporaryFolder } from '../unit/cli/harness.ts'
import { CLEAR_CODES, Load, missing } from './load.ts'

const TIMEOUT_MS = 120_000
const MEMBERS = [0, 1, 2]

const fileOf = ({ directory }: LocalService, name: string): string => join(directory, name)
const textOf = (service: LocalService, name: string): string => readFileSync(fileOf(service, name), 'utf8')

/** A session on that node. */
const clientOn = (service: LocalService, { nodeId }: JoinedNode): Promise<Client> =>
  until('a session on the joined node', async () => {
    const candidate = await connectClient(service, { prefer: 'any' })
    if (candidate.status().nodeId === nodeId) return candidate
    await candidate.close()
    return undefined
  })

const idOf = (service: LocalService, member: number): string =>
  certificateId(nativeCrypto, parseCertificate(textOf(service, `member${member}_cert.pem`)))

/** `--share` options, as `concordat member share` makes them from where it is told to look. */
async function shares(service: LocalService, where: readonly string[]): Promise<readonly string[][]> {
  const folder = temporaryFolder()
  const options: string[][] = []
  for (const member of MEMBERS) {
    const out = join(folder, `share${member}`)
    const key = fileOf(service, `member${member}_enc_privk.pem`)
    const ran = await concordat(
      'member',
      'share',
      ...where,
      '--member',
      idOf(service, member),
      '--key',
      key,
      '--out',
      out,
    )
    expect(ran, ran.stderr).toMatchObject({ code: 0 })
    options.push(['--share', out])
  }
  return options
}

interface Opened {
  readonly versions: readonly {
    readonly version: number
    readonly from: number
    readonly to: number
    readonly opened: number
  }[]
}

/** Verifies a ledger and opens all of it with members' shares. @returns the versions of its secrets */
async function expectRecoverable(service: LocalService, ledger: string): Promise<readonly number[]> {
  const verified = await concordat('ledger', 'verify', ledger, '--service-cert', fileOf(service, 'service_cert.pem'))
  expect(verified, verified.stderr).toMatchObject({ code: 0 })
  const given = await shares(service, ['--ledger', ledger, '--uncommitted'])
  const opening = ['ledger', 'secrets', ledger, '--uncommitted', '--json']
  const opened = await concordat(...opening, ...given.flat())
  expect(opened, opened.stderr).toMatchObject({ code: 0 })
  const { versions } = JSON.parse(opened.stdout) as Opened
  expect(versions[0]).toMatchObject({ from: 1 })
  // Every entry, each with the secret of its seqno.
  for (const { version, from, to, opened: count } of versions) expect([from, count]).toEqual([version, to - from + 1])
  const tooFew = await concordat(...opening, ...given.slice(1).flat())
  expect([tooFew.code, tooFew.stderr]).toEqual([1, expect.stringContaining('fewer than the recovery threshold')])
  return versions.map(({ version }) => version)
}

it(
  'ledger secrets are renewed under load, and members recover all of them from any ledger',
  { timeout: TIMEOUT_MS },
  () =>
    withService({}, async (service, test) => {
      const client = await connectClient(service)
      const load = new Load().start([client], 4)
      const some = (from: number): Promise<boolean> =>
        until('some commits', () => load.committed.filter(({ txId }) => txId.view >= from).length > 20)
      const before = await untilPrimary(service)
      await some(before.view)

      await rekey(service, {})
      service.kill(before.primary)
      const after = await untilPrimary(service, ({ primary, view }) => primary !== before.primary && view > before.view)
      await some(after.view)
      await rekey(service, { wait: 'committed' })
      const enough = load.committed.length + 20
      await until('commits under the new secret', () => load.committed.length > enough)

      const joined = await joinFourth(service)
      try {
        await load.stop()
        expect([...load.failures.keys()].filter((code) => !CLEAR_CODES.includes(code))).toEqual([])
        expect(load.defects).toEqual([])
        const onJoined = await clientOn(service, joined)
        expect(await missing(onJoined, load.committed)).toEqual([])
        expect((await listNodes(onJoined)).filter(({ status }) => status === 'Trusted')).toHaveLength(4)
        await onJoined.close()
        // What the service hands out is what its ledgers hold.
        const asked = await shares(service, ['--data', service.directory])
        await client.close()
        await joined.child.stop()
        await test.stop()

        const isDead = ({ nodeId }: { readonly nodeId: string }): boolean => nodeId === before.primary
        await expectRecoverable(service, service.nodes.find(isDead)!.ledgerDirectory)
        const survivors = service.nodes.filter((node) => !isDead(node))
        const versions: (readonly number[])[] = []
        for (const { ledgerDirectory } of [...survivors, joined]) {
          versions.push(await expectRecoverable(service, ledgerDirectory))
        }
        expect(new Set(versions.map(String)).size).toBe(1)
        // The first rekey may have died with its primary; the second was committed.
        expect(versions[0]!.length).toBeGreaterThanOrEqual(2)
        const [ledger] = survivors
        const opened = await concordat('ledger', 'secrets', ledger!.ledgerDirectory, '--uncommitted', ...asked.flat())
        expect(opened, opened.stderr).toMatchObject({ code: 0 })
        expect(test.notices).toEqual([])
      } finally {
        await joined.child.stop()
      }
    }),
)
