// A rekey in the executor, with its keeper beside it: in force from the next seqno on every node, undone when it is rolled back.
// The rule to remember: an auditor with the secrets opens every entry with the one of its seqno, and with no other.
import { describe, expect, it } from 'vitest'
import { findNode } from '../../../actors/executor/node-table.ts'
import { keeper, type KeeperEvent } from '../../../actors/keeper/keeper.ts'
import { Prng } from '../../../runtime/prng.ts'
import { decodeEntry, openPrivateDomain } from '../../../protocols/ledger/entry.ts'
import { secretAt } from '../../../protocols/secrets/ledger-secrets.ts'
import type { IssueSecrets, SecretsIssued } from '../../../protocols/secrets/issuing.ts'
import type { Executed, SecretsChanged } from '../../../protocols/requests.ts'
import { crypto, Executor, member, newcomer, openService, operator } from '../executor/world.ts'

const REKEY = 'POST /node/ledger-secrets:rekey'

/** What the keeper makes of the executor's last request to it. */
function issued(executor: Executor, seed = 1, change = (request: IssueSecrets) => request): SecretsIssued {
  const request = change(executor.sent<IssueSecrets>('issueSecrets').at(-1)!)
  const envelope = (event: KeeperEvent) => ({ seq: 1, at: 0, from: 'executor', to: 'keeper', event })
  const asked = keeper.step(keeper.start({ crypto }).state, envelope(request))
  const draw = asked.effects.find((effect) => effect.type === 'drawBytes')!
  const prng = new Prng(seed)
  const bytes = prng.bytes(draw.count)
  const answered = keeper.step(asked.state, envelope({ type: 'bytesDrawn', token: draw.token, bytes }))
  return answered.effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))[0] as SecretsIssued
}

/** Asks for a rekey and lets the keeper answer. @returns the status and the seqno */
function rekey(executor: Executor, seed = 1): { status: number; seqno: number | undefined } {
  expect(executor.ask(operator, REKEY)).toBeUndefined()
  executor.post(issued(executor, seed), 'keeper')
  const { status, txId } = executor.sent<Executed>('executed').at(-1)!.responses[0]!
  return { status, seqno: txId?.seqno }
}

const versions = (executor: Executor): number[] => executor.s.secrets.all.map(({ version }) => version)

/** Every entry of the log opens with the secret of its seqno and with no other. */
function expectSealedRight(executor: Executor): void {
  for (const { seqno, bytes } of executor.log) {
    for (const { version, secret } of executor.s.secrets.all) {
      const isInForce = secretAt(executor.s.secrets.all, seqno)!.version === version
      const opened = openPrivateDomain(crypto, secret, decodeEntry(bytes)) !== undefined
      expect(opened, `entry ${seqno} under the secret of ${version}`).toBe(isInForce)
    }
  }
}

describe('a rekey', () => {
  it('is in force from the next seqno, on the primary and on a backup', () => {
    const { primary, service } = openService(2)
    const backup = new Executor(service, 1)
    backup.becomeBackup(2, primary.nodeId)
    const before = primary.log.length
    expect(rekey(primary)).toEqual({ status: 200, seqno: before + 1 })
    primary.settle()
    backup.follow(primary)
    expect(versions(primary)).toEqual([1, before + 2])
    expect(backup.s.secrets.all.map(({ secret }) => secret)).toEqual(primary.s.secrets.all.map(({ secret }) => secret))
    expectSealedRight(primary)
    expect(backup.sent<SecretsChanged>('secretsChanged').at(-1)!.secrets).toHaveLength(2)
  })

  it('is used by a new primary that found it uncommitted', () => {
    const { primary, service } = openService(2)
    const backup = new Executor(service, 1)
    backup.becomeBackup(2, primary.nodeId)
    rekey(primary)
    primary.signAll()
    backup.follow(primary)
    expect(backup.committed).toBeLessThan(backup.log.length)
    backup.becomePrimary(3)
    backup.settle()
    expect(versions(backup)).toEqual(versions(primary))
    expectSealedRight(backup)
    rekey(backup, 2)
    backup.settle()
    expect(versions(backup)).toHaveLength(3)
    expectSealedRight(backup)
  })

  it('is forgotten when it is rolled back, and may be done again at the same seqno', () => {
    const { primary, service } = openService(2)
    const backup = new Executor(service, 1)
    backup.becomeBackup(2, primary.nodeId)
    const kept = primary.log.length
    rekey(primary)
    primary.signAll()
    backup.follow(primary)
    backup.log.length = kept
    backup.post({ type: 'rolledBack', seqno: kept })
    primary.becomeBackup(3, backup.nodeId, kept)
    expect([versions(primary), versions(backup)]).toEqual([[1], [1]])
    backup.becomePrimary(3)
    rekey(backup, 2)
    backup.settle()
    primary.follow(backup)
    expect(primary.s.secrets.all).toEqual(backup.s.secrets.all)
    expectSealedRight(backup)
  })

  it('while a signature is being made, leaves the signature under the old secret; lost with it, it never was', () => {
    const { primary } = openService(1)
    expect(primary.ask(operator, REKEY)).toBeUndefined()
    const first = issued(primary)
    primary.ask(operator, `PUT /node/network/nodes/${newcomer('a').nodeId}`, newcomer('a').body)
    expect(primary.s.signing).toBeDefined()
    // The newcomer changed what it was computed from, so it is asked for again, with the newcomer among the recipients.
    primary.post(first, 'keeper')
    const again = primary.sent<IssueSecrets>('issueSecrets')
    expect(again).toHaveLength(2)
    expect(again[1]!.nodes.map(({ id }) => id)).toContain(newcomer('a').nodeId)
    primary.post(issued(primary), 'keeper')
    expect(primary.s.signing!.held).toHaveLength(1)
    expect(versions(primary)).toEqual([1, primary.s.signing!.seqno + 2])
    const { signing } = primary.s
    primary.settle()
    expectSealedRight(primary)
    expect(secretAt(primary.s.secrets.all, signing!.seqno)!.version).toBe(1)

    const other = openService(1).primary
    other.ask(operator, `PUT /node/network/nodes/${newcomer('a').nodeId}`, newcomer('a').body)
    rekey(other)
    expect(versions(other)).toHaveLength(2)
    other.becomeBackup(3, undefined)
    expect(versions(other)).toEqual([1])
  })

  it('is answered once when the primary changes meanwhile, and not executed', () => {
    const { primary } = openService(1)
    primary.ask(operator, REKEY)
    const late = issued(primary)
    const before = primary.log.length
    primary.becomeBackup(3, undefined)
    const answers = primary.sent<Executed>('executed').flatMap(({ responses }) => responses)
    expect(answers.map(({ status }) => status)).toEqual([503])
    primary.post(late, 'keeper')
    expect(primary.log).toHaveLength(before)
    expect(primary.s.issuing).toBeUndefined()
  })

  it('is refused to others, one at a time, and while a node is being removed', () => {
    const { primary, service } = openService(2)
    expect(primary.ask(member, REKEY)).toMatchObject({ status: 403 })
    expect(primary.ask(operator, REKEY)).toBeUndefined()
    expect(primary.ask(operator, REKEY)).toMatchObject({ status: 503 })
    primary.post(issued(primary), 'keeper')
    expect(primary.ask(operator, `DELETE /node/network/nodes/${service.nodes[1]!.nodeId}`)).toMatchObject({
      status: 200,
    })
    expect(primary.ask(operator, REKEY)).toMatchObject({ status: 503 })
    expect(primary.ask(operator, 'POST /node/recovery-shares:refresh')).toMatchObject({ status: 400 })
  })

  it('is what a node that becomes Trusted afterwards is recorded with; who was Trusted before keeps his row', () => {
    const { primary } = openService(1)
    const [dora, emil] = [newcomer('dora'), newcomer('emil')]
    for (const node of [dora, emil]) {
      primary.ask(operator, `PUT /node/network/nodes/${node.nodeId}`, node.body)
      primary.settle()
      primary.post({ type: 'learnerCaughtUp', node: node.nodeId })
      primary.settle()
      if (node === dora) rekey(primary)
      primary.settle()
    }
    const seqnoOf = ({ nodeId }: { readonly nodeId: string }): unknown =>
      findNode(primary.s.kv, nodeId)!.info['ledger_secret_seqno']
    expect([dora, emil].map(seqnoOf)).toEqual(versions(primary))
    expect(versions(primary)[1]).toBeGreaterThan(1)
  })

  it('does not reach a removed node, which follows the public tables; a node that ought to have it stops', () => {
    const { primary, service } = openService(2)
    const removed = new Executor(service, 1)
    removed.becomeBackup(2, primary.nodeId)
    primary.ask(operator, `DELETE /node/network/nodes/${removed.nodeId}`)
    primary.settle()
    primary.post({ type: 'retirementCompleted', nodes: [removed.nodeId] })
    primary.settle()
    rekey(primary)
    primary.settle()
    removed.follow(primary)
    expect(versions(removed)).toEqual([1])
    expect(removed.s.secrets.withoutFrom).toBe(versions(primary)[1])
  })

  it('stops a node that ought to have it and does not, before it reads anything wrongly', () => {
    const { primary, service } = openService(2)
    const backup = new Executor(service, 1)
    backup.becomeBackup(2, primary.nodeId)
    primary.ask(operator, REKEY)
    const onlyItself = (request: IssueSecrets): IssueSecrets => ({
      ...request,
      nodes: request.nodes.filter(({ id }) => id === primary.nodeId),
    })
    primary.post(issued(primary, 1, onlyItself), 'keeper')
    primary.settle()
    expect(() => backup.follow(primary)).toThrow(/was not encrypted to this node/)
  })
})
