// Goal: the constitution a service starts with runs as CCF's interpreter would run it: it accepts only known actions with
// the right arguments, needs a majority of active members, and writes CCF's tables.
import { runInNewContext } from 'node:vm'
import { beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_CONSTITUTION } from '../../../protocols/governance/constitution.ts'

/** A table with text keys; what the script sees takes and gives ArrayBuffers. */
class Table {
  readonly rows = new Map<string, string>()
  has = (key: ArrayBuffer) => this.rows.has(toText(key))
  get = (key: ArrayBuffer) => (this.has(key) ? toBuffer(this.rows.get(toText(key))!) : undefined)
  set = (key: ArrayBuffer, value: ArrayBuffer) => void this.rows.set(toText(key), toText(value))
  delete = (key: ArrayBuffer) => this.rows.delete(toText(key))
  forEach = (visit: (value: ArrayBuffer, key: ArrayBuffer) => void) => {
    for (const [key, value] of [...this.rows]) visit(toBuffer(value), toBuffer(key))
  }
}
const toBuffer = (text: string): ArrayBuffer => new TextEncoder().encode(text).buffer
const toText = (buffer: ArrayBuffer): string => new TextDecoder().decode(buffer)
const SINGLE = '\0'.repeat(8)

interface Constitution {
  validate(input: string): { valid: boolean; description: string }
  resolve(proposal: string, proposerId: string, votes: { member_id: string; vote: boolean }[]): string
  apply(proposal: string, proposalId: string): void
}

let tables: Map<string, Table>
let triggered: string[]
let constitution: Constitution

const table = (name: string): Table => {
  const full = `public:ccf.gov.${name}`
  if (!tables.has(full)) tables.set(full, new Table())
  return tables.get(full)!
}

function load(): Constitution {
  const trigger = (name: string) => () => void triggered.push(name)
  const ccf = {
    kv: new Proxy({}, { get: (_target, name) => table(String(name).replace('public:ccf.gov.', '')) }),
    strToBuf: toBuffer,
    bufToStr: toText,
    jsonCompatibleToBuf: (value: unknown) => toBuffer(JSON.stringify(value)),
    bufToJsonCompatible: (buffer: ArrayBuffer) => JSON.parse(toText(buffer)) as unknown,
    pemToId: (pem: string) => pem.replace('-----BEGIN ', '').padEnd(64, '0'),
    gov: {
      validateConstitution: (text: string) => {
        if (!text.includes('export')) throw new Error('not a constitution')
      },
    },
    node: {
      triggerLedgerRekey: trigger('rekey'),
      triggerRecoverySharesRefresh: trigger('refresh'),
      triggerLedgerChunk: trigger('chunk'),
      triggerSnapshot: trigger('snapshot'),
      transitionServiceToOpen: (previous: ArrayBuffer | undefined, next: ArrayBuffer) =>
        void triggered.push(`open ${previous === undefined ? '' : toText(previous)} ${toText(next)}`),
    },
  }
  const script = `${DEFAULT_CONSTITUTION.replace(/^export /gm, '')};({ validate, resolve, apply })`
  return runInNewContext(script, { ccf }) as Constitution
}

const id = (name: string): string => name.padEnd(64, '0')
const proposal = (name: string, args?: unknown): string => JSON.stringify({ actions: [{ name, args }] })
const info = (name: string, key: string): unknown => JSON.parse(table(name).rows.get(key)!)

function addMember(name: string, status: string, encrypts = true): void {
  table('members.info').rows.set(id(name), JSON.stringify({ status }))
  table('members.certs').rows.set(id(name), 'pem')
  if (encrypts) table('members.encryption_public_keys').rows.set(id(name), 'pem')
}

beforeEach(() => {
  tables = new Map()
  triggered = []
  constitution = load()
  table('service.config').rows.set(SINGLE, '{"recovery_threshold":2}')
  for (const name of ['a', 'b', 'c']) addMember(name, 'Active')
  addMember('d', 'Accepted')
})

describe('validate', () => {
  const cert = '-----BEGIN x'
  it.each([
    ['set_user', { cert }],
    ['set_user', { cert, user_data: {} }],
    ['remove_user', { user_id: id('a') }],
    ['set_member', { cert, encryption_pub_key: cert, recovery_role: 'Owner', member_data: { x: 1 } }],
    ['set_constitution', { constitution: 'export' }],
    ['set_recovery_threshold', { recovery_threshold: 254 }],
    ['trigger_snapshot', undefined],
    ['transition_service_to_open', { next_service_identity: cert }],
  ])('accepts %s %j', (name, args) => {
    expect(constitution.validate(proposal(name, args))).toEqual({ valid: true, description: '' })
  })

  it.each([
    ['set_user', {}, 'cert must be a text'],
    ['set_user', { cert: 'x' }, 'cert must be in PEM'],
    ['set_user', { cert, user_data: [] }, 'user_data must be an object'],
    ['set_user', { cert, more: 1 }, 'unknown argument'],
    ['remove_user', { user_id: 'A'.repeat(64) }, 'user_id must be an id'],
    ['set_member', { cert, recovery_role: 'King' }, 'recovery_role must be one of NonParticipant,Participant,Owner'],
    ['set_recovery_threshold', { recovery_threshold: 0 }, 'recovery_threshold must be 1 to 254'],
    ['set_constitution', { constitution: 'no' }, 'not a constitution'],
    ['toString', {}, 'no such action'],
    ['set_user', 1, 'args must be an object'],
  ])('refuses %s %j', (name, args, description) => {
    expect(constitution.validate(proposal(name, args))).toEqual({
      valid: false,
      description: `action 0: ${description}`,
    })
  })

  it.each(['', '{', 'null', '[]', '{"actions":[]}', '{"actions":{}}', '{"actions":[null]}'])('refuses %j', (input) => {
    expect(constitution.validate(input).valid).toBe(false)
  })
})

describe('resolve', () => {
  const resolve = (...yes: string[]) =>
    constitution.resolve('', id('a'), [
      ...yes.map((name) => ({ member_id: id(name), vote: true })),
      { member_id: id('z'), vote: false },
    ])

  it('accepts with more than half of the active members', () => {
    expect(resolve()).toBe('Open')
    expect(resolve('a')).toBe('Open')
    expect(resolve('a', 'b')).toBe('Accepted')
    addMember('e', 'Active')
    expect(resolve('a', 'b')).toBe('Open')
    expect(resolve('a', 'b', 'e')).toBe('Accepted')
  })

  it('does not count members who are not active, or not members', () => {
    expect(resolve('a', 'd', 'x')).toBe('Open')
  })

  it('accepts nothing in a service without active members', () => {
    table('members.info').rows.clear()
    addMember('d', 'Accepted')
    expect(resolve('d')).toBe('Open')
  })
})

describe('apply', () => {
  const apply = (name: string, args?: unknown) => constitution.apply(proposal(name, args), 'p1')

  it('registers and removes users', () => {
    apply('set_user', { cert: '-----BEGIN u', user_data: { x: 1 } })
    expect(table('users.certs').rows.get(id('u'))).toBe('-----BEGIN u')
    expect(info('users.info', id('u'))).toEqual({ user_data: { x: 1 } })
    apply('remove_user', { user_id: id('u') })
    expect(table('users.certs').rows.size + table('users.info').rows.size).toBe(0)
    expect(() => apply('set_user_data', { user_id: id('u'), user_data: {} })).toThrow('no such user')
  })

  it('adds members as Accepted and keeps the status of known ones', () => {
    apply('set_member', { cert: '-----BEGIN e', member_data: { x: 1 } })
    expect(info('members.info', id('e'))).toEqual({ member_data: { x: 1 }, status: 'Accepted' })
    expect(info('members.acks', id('e'))).toEqual({ state_digest: '' })
    apply('set_member', { cert: '-----BEGIN a' })
    expect(info('members.info', id('a'))).toEqual({ status: 'Active' })
  })

  it('removes members while enough can recover the service', () => {
    apply('remove_member', { member_id: id('a') })
    expect(table('members.info').rows.has(id('a'))).toBe(false)
    expect(triggered).toEqual(['rekey'])
    expect(() => apply('remove_member', { member_id: id('b') })).toThrow('too few recovery members would remain')
    apply('remove_member', { member_id: id('d') })
    apply('remove_member', { member_id: id('nobody') })
    expect(triggered).toEqual(['rekey'])
  })

  it('changes the threshold within what members allow', () => {
    apply('set_recovery_threshold', { recovery_threshold: 3 })
    expect(info('service.config', SINGLE)).toEqual({ recovery_threshold: 3 })
    expect(triggered).toEqual(['refresh'])
    expect(() => apply('set_recovery_threshold', { recovery_threshold: 4 })).toThrow('fewer recovery members')
  })

  it('replaces itself and drops the other open proposals', () => {
    for (const [key, state] of Object.entries({ p1: 'Open', p2: 'Open', p3: 'Accepted' }))
      table('proposals_info').rows.set(key, JSON.stringify({ state }))
    apply('set_constitution', { constitution: 'export' })
    expect(info('constitution', SINGLE)).toBe('export')
    expect(['p1', 'p2', 'p3'].map((key) => info('proposals_info', key))).toEqual([
      { state: 'Open' },
      { state: 'Dropped' },
      { state: 'Accepted' },
    ])
  })

  it('triggers what the node does', () => {
    for (const name of ['trigger_ledger_chunk', 'trigger_snapshot', 'trigger_ledger_rekey']) apply(name)
    apply('trigger_recovery_shares_refresh')
    apply('transition_service_to_open', { next_service_identity: '-----BEGIN n' })
    expect(triggered).toEqual(['chunk', 'snapshot', 'rekey', 'refresh', 'open  -----BEGIN n'])
    expect(() => apply('set_node_data', { node_id: id('n'), node_data: {} })).toThrow('no such row in nodes.info')
  })
})
