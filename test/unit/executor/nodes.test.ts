// Goal: an operator, and nobody else, adds and removes nodes; each change is one transaction that consensus reads rightly, also from the files;
// a node is endorsed only once it has caught up; and a change of primary at any moment loses nothing and does nothing twice.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { endorsedCertificate, findNode, nodesThatAre } from '../../../actors/executor/node-table.ts'
import { recordOfEntry } from '../../../protocols/consensus/record.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import type { SetLearners } from '../../../protocols/consensus/messages.ts'
import { parseCertificate, verifyIssuedBy } from '../../../protocols/crypto/certificate.ts'
import { CorruptDataError } from '../../../protocols/errors.ts'
import { nodeId } from '../../../protocols/ids.ts'
import { NODE_ROW_BYTES_MAX, NODES_MAX } from '../../../protocols/limits.ts'
import type { Forward, NodesChanged } from '../../../protocols/requests.ts'
import { LiveLedger } from '../../../runtime/ledger-port.ts'
import { openLedger } from '../../../store/ledger/ledger.ts'
import { crypto, Executor, initialNode, member, newcomer, openService, operator, user } from './world.ts'

const [n0, n1, n2] = [initialNode(0), initialNode(1), initialNode(2)]
const dora = newcomer('dora')
const emil = newcomer('emil')
const sorted = (...ids: string[]): string[] => ids.sort()

const put = (executor: Executor, node = dora, caller = operator) =>
  executor.ask(caller, `PUT /node/network/nodes/${node.nodeId}`, node.body)
const remove = (executor: Executor, id: string, caller = operator) =>
  executor.ask(caller, `DELETE /node/network/nodes/${id}`)
const codeOf = (answer: ReturnType<Executor['ask']>) =>
  (answer?.body as { readonly error?: { readonly code?: string } } | undefined)?.error?.code

/** Kinds and nodes of a log's entries that name nodes, after the first. */
const changes = (log: readonly LogRecord[]) =>
  log.slice(1).flatMap(({ kind, nodes }) => (nodes === undefined ? [] : [{ kind, nodes: sorted(...nodes) }]))

/** A service with dora Pending, which is committed. */
function withPending(nodes: number) {
  const opened = openService(nodes)
  put(opened.primary)
  opened.primary.settle()
  return opened
}

/** A backup on the second node, with everything the primary has. */
function backupOf({ primary, service }: ReturnType<typeof openService>): Executor {
  const backup = new Executor(service, 1)
  backup.becomeBackup(2, n0)
  backup.follow(primary)
  return backup
}

describe('adding a node', () => {
  it('registers it as Pending; once that is committed, it is a learner and the node lets it in', () => {
    const { primary } = openService(3)
    const answer = put(primary)
    expect(answer).toMatchObject({ status: 200, body: { node_id: dora.nodeId, status: 'Pending' } })
    const { seqno } = answer!.txId!
    expect(primary.log[seqno - 1]).toMatchObject({ kind: 'transaction' })
    expect(primary.sent('setLearners')).toEqual([])
    expect(primary.sent('nodesChanged')).toEqual([])
    primary.settle()
    expect(primary.sent<SetLearners>('setLearners')).toEqual([{ type: 'setLearners', nodes: [dora.nodeId] }])
    expect(primary.sent<NodesChanged>('nodesChanged')).toMatchObject([
      { nodes: { [n0]: 'Trusted', [dora.nodeId]: 'Pending' } },
    ])
    expect(nodesThatAre(primary.s.kv, 'Trusted')).toEqual(sorted(n0, n1, n2))
  })

  it('says nothing about nodes when a commit changes none', () => {
    const { primary, service } = withPending(3)
    const backup = backupOf({ primary, service })
    backup.takeEffects()
    // The signature that begins a view.
    primary.becomeBackup(3, undefined)
    primary.becomePrimary(4)
    primary.commit()
    backup.follow(primary)
    expect(backup.committed).toBe(primary.committed)
    expect(backup.sent('nodesChanged')).toEqual([])
  })

  it('endorses it when it has caught up: Trusted, certificate and reconfiguration are one transaction', () => {
    const { primary } = withPending(3)
    primary.takeEffects()
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    expect(changes(primary.log)).toEqual([])
    primary.settle()
    const nodes = sorted(n0, n1, n2, dora.nodeId)
    expect(changes(primary.log)).toEqual([{ kind: 'reconfiguration', nodes }])
    const row = findNode(primary.s.kv, dora.nodeId)!
    expect(row.info).toMatchObject({ status: 'Trusted', ledger_secret_seqno: 1, public_key: dora.body.public_key })
    // The others' rows stand there again, unchanged.
    const first = findNode(primary.s.kv, n0)!
    expect(first.version).toBe(row.version)
    expect(first.info).not.toHaveProperty('ledger_secret_seqno')
    const certificate = parseCertificate(endorsedCertificate(primary.s.kv, dora.nodeId)!)
    expect(verifyIssuedBy(crypto, certificate, parseCertificate(primary.s.config.serviceCertificatePem))).toBe(true)
    expect(certificate.spki).toEqual(dora.spki)
    expect(certificate.notBeforeSeconds).toBe(primary.at / 1000)
    // It is no learner any more.
    expect(primary.sent<SetLearners>('setLearners').at(-1)).toEqual({ type: 'setLearners', nodes: [] })
  })

  it('admits those that catch up during an endorsement together, in the next one', () => {
    const { primary } = withPending(1)
    const frieda = newcomer('frieda')
    put(primary, emil)
    put(primary, frieda)
    primary.settle()
    for (const { nodeId: id } of [dora, emil, frieda]) primary.post({ type: 'learnerCaughtUp', node: id })
    primary.settle()
    expect(changes(primary.log)).toEqual([
      { kind: 'reconfiguration', nodes: sorted(n0, dora.nodeId) },
      { kind: 'reconfiguration', nodes: sorted(n0, dora.nodeId, emil.nodeId, frieda.nodeId) },
    ])
  })

  it('while a signature is being made, waits for its turn in the ledger', () => {
    const { primary } = withPending(1)
    put(primary, emil)
    const root = primary.takeSign()!
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    const endorsement = primary.takeSign()!
    primary.sign(endorsement)
    expect(changes(primary.log)).toEqual([])
    primary.sign(root)
    expect(changes(primary.log)).toEqual([{ kind: 'reconfiguration', nodes: sorted(n0, dora.nodeId) }])
    primary.settle()
  })

  it('is for what is committed: a node that was registered since then has to wait', () => {
    const { primary } = openService(3)
    put(primary, dora)
    const root = primary.takeSign()!
    put(primary, emil)
    primary.sign(root)
    primary.commit()
    expect(primary.sent<SetLearners>('setLearners').at(-1)?.nodes).toEqual([dora.nodeId])
    expect(primary.sent<NodesChanged>('nodesChanged').at(-1)?.nodes).not.toHaveProperty(emil.nodeId)
    primary.settle()
    expect(primary.sent<SetLearners>('setLearners').at(-1)?.nodes).toEqual(sorted(dora.nodeId, emil.nodeId))
  })

  it('that was withdrawn before it caught up is not endorsed, and the next one is', () => {
    const { primary } = withPending(1)
    put(primary, emil)
    primary.settle()
    remove(primary, dora.nodeId)
    const root = primary.takeSign()!
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    expect(primary.takeSign()).toBeUndefined()
    primary.post({ type: 'learnerCaughtUp', node: emil.nodeId })
    expect(primary.takeSign()?.items).toHaveLength(1)
    primary.sign(root)
  })

  it('that was withdrawn while its certificate was being signed leaves no trace of it', () => {
    const { primary } = withPending(1)
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    const endorsement = primary.takeSign()!
    expect(remove(primary, dora.nodeId)).toMatchObject({ status: 200, body: { status: null } })
    primary.sign(endorsement)
    primary.settle()
    expect(changes(primary.log)).toEqual([])
    expect(findNode(primary.s.kv, dora.nodeId)).toBeUndefined()
    expect(primary.sent<SetLearners>('setLearners').at(-1)).toEqual({ type: 'setLearners', nodes: [] })
  })

  it('is gone on with by the next primary, whatever the last one had begun', () => {
    const { primary, service } = withPending(3)
    const backup = backupOf({ primary, service })
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    const late = primary.takeSign()!
    primary.becomeBackup(3, n1)
    primary.sign(late)
    expect(changes(primary.log)).toEqual([])

    backup.becomePrimary(3)
    expect(backup.sent('setLearners')).toEqual([])
    backup.settle()
    expect(backup.sent<SetLearners>('setLearners')).toEqual([{ type: 'setLearners', nodes: [dora.nodeId] }])
    backup.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    backup.settle()
    const nodes = sorted(n0, n1, n2, dora.nodeId)
    expect(changes(backup.log)).toEqual([{ kind: 'reconfiguration', nodes }])

    // The old one, leading again, is not waiting for it any more either.
    primary.follow(backup)
    primary.becomePrimary(4)
    put(primary, emil)
    primary.settle()
    primary.post({ type: 'learnerCaughtUp', node: emil.nodeId })
    primary.settle()
    expect(findNode(primary.s.kv, emil.nodeId)?.standing).toBe('Trusted')
    const length = primary.log.length
    primary.sign(late)
    expect(primary.log).toHaveLength(length)
  })

  it('that was admitted and rolled back is Pending again for the next primary', () => {
    const { primary, service } = withPending(3)
    const backup = backupOf({ primary, service })
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    primary.signAll()
    expect(findNode(primary.s.kv, dora.nodeId)?.standing).toBe('Trusted')
    backup.becomePrimary(3)
    backup.settle()
    expect(findNode(backup.s.kv, dora.nodeId)?.standing).toBe('Pending')
    const kept = primary.committed
    primary.becomeBackup(3, n1, kept)
    primary.follow(backup)
    expect(findNode(primary.s.kv, dora.nodeId)?.standing).toBe('Pending')
  })

  it('tells a backup too, so that it lets the new node in, but names no learners', () => {
    const opened = withPending(3)
    const backup = backupOf(opened)
    expect(backup.sent<NodesChanged>('nodesChanged').at(-1)?.nodes).toMatchObject({ [dora.nodeId]: 'Pending' })
    expect(backup.sent('setLearners')).toEqual([])
  })

  it('tells the node its certificate as soon as the ledger has it, and the founder before anyone can commit', () => {
    const { service } = openService(3)
    const founder = new Executor(service, 0)
    founder.becomePrimary(2)
    const [first] = founder.sent<NodesChanged>('nodesChanged')
    expect(first).toMatchObject({ certificatePem: service.nodes[0]!.certificatePem, nodes: { [n1]: 'Trusted' } })
  })
})

describe('removing a node', () => {
  it('retires it, and once that is complete declares it, once', () => {
    const { primary } = openService(3)
    expect(remove(primary, n2)).toMatchObject({ status: 200, body: { node_id: n2, status: 'Retired' } })
    primary.settle()
    expect(changes(primary.log)).toEqual([{ kind: 'reconfiguration', nodes: sorted(n0, n1) }])
    expect(primary.ask(user, 'GET /node/network/removable_nodes')?.body).toEqual({ nodes: [] })
    // The replica names whoever is in no configuration; only Retired ones are due.
    primary.post({ type: 'retirementCompleted', nodes: [n1, n2] })
    expect(changes(primary.log).at(-1)).toEqual({ kind: 'retiredCommitted', nodes: [n2] })
    primary.post({ type: 'retirementCompleted', nodes: [n2] })
    expect(primary.ask(user, 'GET /node/network/removable_nodes')?.body).toEqual({ nodes: [] })
    primary.settle()
    expect(changes(primary.log)).toHaveLength(2)
    const removable = primary.ask(user, 'GET /node/network/removable_nodes')?.body
    expect(removable).toMatchObject({ nodes: [{ node_id: n2, status: 'Retired' }] })
    expect(primary.sent<NodesChanged>('nodesChanged').at(-1)?.nodes[n2]).toBe('RetiredCommitted')
  })

  it('of the primary itself works the same', () => {
    const { primary } = openService(3)
    expect(remove(primary, n0)?.status).toBe(200)
    primary.settle()
    primary.post({ type: 'retirementCompleted', nodes: [n0] })
    primary.settle()
    expect(changes(primary.log).map(({ kind }) => kind)).toEqual(['reconfiguration', 'retiredCommitted'])
  })

  it('is declared by the next primary if the last one did not', () => {
    const { primary, service } = openService(3)
    remove(primary, n2)
    primary.settle()
    const backup = backupOf({ primary, service })
    primary.post({ type: 'retirementCompleted', nodes: [n2] })
    backup.becomePrimary(3)
    backup.post({ type: 'retirementCompleted', nodes: [n2] })
    backup.settle()
    expect(changes(backup.log).at(-1)).toEqual({ kind: 'retiredCommitted', nodes: [n2] })
  })
})

describe('refusals', () => {
  it('of anyone but an operator', () => {
    const { primary } = openService(3)
    const before = primary.log.length
    for (const change of [
      put(primary, dora, user),
      remove(primary, n2, user),
      put(primary, dora, { kind: 'anonymous' }),
    ])
      expect([change?.status, codeOf(change)]).toEqual([401, 'InvalidAuthenticationInfo'])
    for (const change of [put(primary, dora, member), remove(primary, n2, member)])
      expect([change?.status, codeOf(change)]).toEqual([403, 'AuthorizationFailed'])
    const inClear = primary.ask(operator, `DELETE /node/network/nodes/${n2}`, undefined, true)
    expect([inClear?.status, codeOf(inClear)]).toEqual([403, 'AuthorizationFailed'])
    expect(primary.log).toHaveLength(before)
  })

  it('of nodes that cannot be removed', () => {
    const { primary } = openService(2)
    expect(codeOf(remove(primary, dora.nodeId))).toBe('ResourceNotFound')
    expect(remove(primary, 'x')?.status).toBe(404)
    expect(remove(primary, n1)?.status).toBe(200)
    expect([remove(primary, n1)?.status, codeOf(remove(primary, n1))]).toEqual([400, 'InvalidNodeState'])
    expect([remove(primary, n0)?.status, codeOf(remove(primary, n0))]).toEqual([400, 'InvalidNodeState'])
    primary.settle()
    primary.post({ type: 'retirementCompleted', nodes: [n1] })
    primary.settle()
    expect(codeOf(remove(primary, n1))).toBe('InvalidNodeState')
  })

  it('of nodes that cannot be added', () => {
    const { primary } = openService(2)
    const ask = (id: string, body: unknown) => codeOf(primary.ask(operator, `PUT /node/network/nodes/${id}`, body))
    const { body } = dora
    expect(ask('abc', body)).toBe('InvalidResourceName')
    expect(ask(dora.nodeId.toUpperCase(), body)).toBe('InvalidResourceName')
    expect(ask(emil.nodeId, body)).toBe('InvalidInput')
    for (const wrong of [
      undefined,
      [],
      { ...body, public_key: 'no' },
      { ...body, public_key: 7 },
      { ...body, public_key: body.public_key.replace('PUBLIC', 'PRIVATE').replace('PUBLIC', 'PRIVATE') },
      { ...body, encryption_pub_key: undefined },
      { ...body, address: '' },
      { ...body, address: 'a'.repeat(257) },
      { ...body, node_data: 'x'.repeat(NODE_ROW_BYTES_MAX) },
      // Fits the body and not the row.
      { ...body, node_data: 'x'.repeat(2800) },
    ]) {
      expect(ask(dora.nodeId, wrong)).toBe('InvalidInput')
    }
    const deep = `{${JSON.stringify(body).slice(1, -1)},"node_data":${'['.repeat(1500)}${']'.repeat(1500)}}`
    expect(ask(dora.nodeId, new TextEncoder().encode(deep))).toBe('InvalidInput')
    expect(nodesThatAre(primary.s.kv, 'Pending')).toEqual([])
    expect(put(primary)?.status).toBe(200)
    expect(put(primary)?.status).toBe(200)
    primary.settle()
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    primary.settle()
    expect(codeOf(put(primary))).toBe('InvalidNodeState')
    remove(primary, dora.nodeId)
    expect(codeOf(put(primary))).toBe('InvalidNodeState')
  })

  it(`of more than ${NODES_MAX} nodes`, () => {
    const { primary } = openService(1)
    const names = Array.from({ length: NODES_MAX - 1 }, (_, i) => newcomer(`many ${i}`))
    for (const each of names) expect(put(primary, each)?.status).toBe(200)
    expect(codeOf(put(primary))).toBe('InvalidNodeState')
    expect(put(primary, names[0])?.status).toBe(200)
    remove(primary, names[0]!.nodeId)
    expect(put(primary)?.status).toBe(200)
  })

  it('of a record that names other nodes than its entry', () => {
    const { primary, service } = openService(3)
    const backup = backupOf({ primary, service })
    remove(primary, n2)
    const record = primary.log.find(({ kind, seqno }) => kind === 'reconfiguration' && seqno > 1)!
    const before = primary.log.slice(backup.log.length, record.seqno - 1)
    const forged = { ...record, nodes: [n0, nodeId('f'.repeat(64))] }
    expect(() => backup.post({ type: 'appended', records: [...before, forged] })).toThrow(CorruptDataError)
  })
})

describe('requests about nodes', () => {
  it('are forwarded by a backup when they write', () => {
    const backup = backupOf(openService(3))
    expect(put(backup)).toBeUndefined()
    expect(backup.sent<Forward>('forward')).toMatchObject([{ caller: operator, requests: [{ verb: 'PUT' }] }])
  })

  it('read one node, this node and the primary, as CCF describes them', () => {
    const { primary, service } = openService(3)
    const backup = backupOf({ primary, service })
    const get = (path: string) => backup.ask(user, `GET /node/network/nodes/${path}`)
    const described = { node_id: n1, status: 'Trusted', primary: false, node_data: null, last_written: 1 }
    expect(get(n1)).toMatchObject({ status: 200, body: described })
    expect(get('self')?.body).toEqual(get(n1)?.body)
    expect(get('primary')?.body).toMatchObject({ node_id: n0, primary: true })
    expect([get(dora.nodeId)?.status, codeOf(get(dora.nodeId))]).toEqual([404, 'ResourceNotFound'])
    const post = backup.ask(user, `POST /node/network/nodes/${n1}`)
    expect(post).toMatchObject({ status: 405, body: { error: { message: 'Allowed: DELETE, GET, PUT.' } } })
    expect(primary.ask(user, 'GET /node/network/nodes?status=Pending')?.body).toEqual({ nodes: [] })
    expect(backup.ask(user, 'GET /node/state')?.body).toMatchObject({ state: 'PartOfNetwork' })
  })
})

/** What the ledger files of a node give back of what was written to them. */
function readFromFiles(log: readonly LogRecord[]): readonly LogRecord[] {
  const directory = mkdtempSync(join(tmpdir(), 'concordat-records-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const ledger = openLedger({ directory: join(directory, 'ledger'), flush: 'never' })
  const noIndex = { add: () => undefined, truncate: () => undefined, signatureAfter: () => undefined }
  const port = new LiveLedger(ledger, noIndex)
  port.append(log, false, (error) => expect(error).toBeUndefined())
  let found: readonly LogRecord[] = []
  port.readRange(1, log.length, 1e9, (error, records) => {
    expect(error).toBeUndefined()
    found = records
  })
  ledger.close(() => undefined)
  return found
}

describe('records', () => {
  it('read back from their entries are the same', () => {
    const { primary } = withPending(3)
    primary.post({ type: 'learnerCaughtUp', node: dora.nodeId })
    primary.settle()
    remove(primary, n1)
    primary.settle()
    primary.post({ type: 'retirementCompleted', nodes: [n1] })
    primary.settle()
    const kinds = new Set(primary.log.map(({ kind }) => kind))
    expect([...kinds].sort()).toEqual(['reconfiguration', 'retiredCommitted', 'signature', 'transaction'])
    for (const record of primary.log) expect(recordOfEntry(record.bytes)).toEqual(record)
    expect(readFromFiles(primary.log)).toEqual(primary.log)
  })
})
