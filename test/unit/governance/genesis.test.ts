// Goal: the genesis and opening transactions have the tables, keys and JSON that CCF itself writes, compared with the
// ledger of a real service (test/golden/ccf-ledgers), and wrong consortia are refused.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes, fromBase64, fromUtf8, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { nodeId } from '../../../protocols/ids.ts'
import { DEFAULT_CONSTITUTION } from '../../../protocols/governance/constitution.ts'
import {
  type Genesis,
  type GenesisMember,
  genesisWrites,
  openServiceWrites,
  serviceStatus,
} from '../../../protocols/governance/genesis.ts'
import { virtualQuote } from '../../../protocols/governance/node-info.ts'
import { encodeSortedJson, type JsonValue } from '../../../protocols/governance/sorted-json.ts'
import { decodeEntry } from '../../../protocols/ledger/entry.ts'
import {
  decodeJson,
  decodeJsonObject,
  decodeJsonString,
  GOV_TABLES,
  INTERNAL_TABLES,
  SINGLE_KEY,
  singleValue,
} from '../../../protocols/ledger/tables.ts'
import { mapWrites, type WriteSet } from '../../../protocols/ledger/write-set.ts'
import { applyWriteSet, emptyKv, readMap } from '../../../store/kv/kv-state.ts'
import { sampleApps } from '../../../runtime/samples/index.ts'
import { acme, entriesOf } from '../ledger/golden.ts'

/** SHA-256 of the DER, as CCF names members and users. */
const certificateId = (pem: string): string => {
  const body = pem.replace(/-----[^-]+-----|\s/g, '')
  return createHash('sha256').update(fromBase64(body)).digest('hex')
}
const fakePem = (label: string, content: string): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(content).toString('base64')}\n-----END ${label}-----\n`

const member = (name: string, more: Partial<GenesisMember> = {}): GenesisMember => ({
  certificatePem: fakePem('CERTIFICATE', name),
  encryptionPublicKeyPem: fakePem('PUBLIC KEY', name),
  ...more,
})
const node = (name: string) => ({
  nodeId: nodeId(createHash('sha256').update(name).digest('hex')),
  certificatePem: fakePem('CERTIFICATE', name),
  publicKeyPem: fakePem('PUBLIC KEY', name),
  encryptionPublicKeyPem: fakePem('PUBLIC KEY', `${name} encryption`),
  csrPem: fakePem('CERTIFICATE REQUEST', name),
  nodeToNodeAddress: `nats://127.0.0.1:4222/${name}`,
  rpcInterfaces: { primary: { bindAddress: 'a', publishedAddress: 'b', protocol: 'nats' } },
  hostData: '1'.repeat(64),
})
const genesis: Genesis = {
  members: [member('m0'), member('m1'), member('m2')],
  users: [{ certificatePem: fakePem('CERTIFICATE', 'u0'), data: { b: 1, a: { d: 1, c: 2 } } }],
  nodes: [node('n0'), node('n1'), node('n2')],
  serviceCertificatePem: fakePem('CERTIFICATE', 'service'),
  constitution: DEFAULT_CONSTITUTION,
}
const ours = genesisWrites(genesis, certificateId)

const realEntries = entriesOf(acme).map(({ bytes }) => decodeEntry(bytes).publicWrites)
const real = realEntries[0]!
const realOpening = realEntries.find((writes) => mapWrites(writes, GOV_TABLES.usersCerts) !== undefined)!

const names = (writes: WriteSet): string[] => writes.map((map) => map.name)
const keys = (writes: WriteSet, table: string): string[] =>
  (mapWrites(writes, table)?.writes ?? []).map(({ key }) => fromUtf8(key))
const first = (writes: WriteSet, table: string): Uint8Array => mapWrites(writes, table)!.writes[0]!.value

/** The types of a JSON value's members, all the way down. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, shape(it)]))
}

describe('genesis beside a real one', () => {
  it('has the same tables, and the users that CCF adds later', () => {
    const added: readonly string[] = [GOV_TABLES.usersCerts, GOV_TABLES.usersInfo]
    expect(names(ours).filter((name) => !added.includes(name))).toEqual(names(real))
  })

  it('is in the order the ledger demands', () => {
    expect(names(ours)).toEqual([...names(ours)].sort())
    for (const { writes, removes } of ours) {
      expect(removes).toEqual([])
      for (let i = 1; i < writes.length; i++) expect(compareBytes(writes[i - 1]!.key, writes[i]!.key)).toBeLessThan(0)
    }
  })

  it.each([GOV_TABLES.membersAcks, GOV_TABLES.membersInfo, GOV_TABLES.nodesVirtualMeasurements])(
    'writes %s byte for byte',
    (table) => {
      expect(first(ours, table)).toEqual(first(real, table))
    },
  )

  it('writes the service configuration byte for byte', () => {
    expect(first(ours, GOV_TABLES.serviceConfig)).toEqual(first(real, GOV_TABLES.serviceConfig))
  })

  it('writes service.info with the same members', () => {
    const info = decodeJsonObject(singleValue(mapWrites(ours, GOV_TABLES.serviceInfo))!)
    const realInfo = decodeJsonObject(singleValue(mapWrites(real, GOV_TABLES.serviceInfo))!)
    expect(shape(info)).toEqual(shape(realInfo))
    expect({ ...info, cert: '' }).toEqual({ ...realInfo, cert: '' })
    expect(first(ours, GOV_TABLES.serviceInfo)).toEqual(encodeSortedJson(info as { [name: string]: JsonValue }))
  })

  it('writes nodes.info with members that CCF knows, of the same types', () => {
    const info = decodeJsonObject(first(ours, GOV_TABLES.nodesInfo))
    const realInfo = decodeJsonObject(first(real, GOV_TABLES.nodesInfo))
    const { rpc_interfaces: interfaces, ledger_secret_seqno: secretSeqno, ...rest } = info
    const { rpc_interfaces: realInterfaces, ...realRest } = realInfo
    expect(secretSeqno === undefined || secretSeqno === 1).toBe(true)
    // The rest of CCF's are old forms of the addresses (`nodehost`, …), and ACME's, which is gone.
    expect(shape(realRest)).toMatchObject(shape(rest) as object)
    const realInterface = Object.values(realInterfaces as object)[0] as object
    const { endorsement, ...ourInterface } = (interfaces as { primary: { endorsement: unknown } }).primary
    expect(shape(realInterface)).toMatchObject(shape(ourInterface) as object)
    expect(endorsement).toEqual({ authority: 'Service' })
    expect(info['status']).toBe('Trusted')
    expect(info['code_digest']).toBe(realInfo['code_digest'])
  })

  it('gives every node but the creator the seqno of its ledger secret', () => {
    const creator = genesis.nodes[0]!.nodeId
    for (const { key, value } of mapWrites(ours, GOV_TABLES.nodesInfo)!.writes)
      expect(decodeJsonObject(value)['ledger_secret_seqno']).toBe(fromUtf8(key) === creator ? undefined : 1)
  })

  it('makes the same virtual evidence', () => {
    const row = mapWrites(real, GOV_TABLES.nodesInfo)!.writes[0]!
    const quote = (decodeJsonObject(row.value)['quote_info'] as { quote: string }).quote
    const hostData = keys(real, GOV_TABLES.nodesVirtualHostData)[0]!
    expect(fromUtf8(virtualQuote(nodeId(fromUtf8(row.key)), hostData))).toBe(fromUtf8(fromBase64(quote)))
  })

  it('names members as CCF does', () => {
    for (const { key, value } of mapWrites(real, GOV_TABLES.membersCerts)!.writes)
      expect(certificateId(fromUtf8(value))).toBe(fromUtf8(key))
    expect(keys(ours, GOV_TABLES.membersCerts)).toEqual(
      genesis.members.map((it) => certificateId(it.certificatePem)).sort(),
    )
    expect(keys(ours, GOV_TABLES.membersInfo)).toEqual(keys(ours, GOV_TABLES.membersCerts))
  })

  it('holds certificates raw, sets as eight zero bytes, the constitution as a JSON string', () => {
    expect(fromUtf8(first(ours, GOV_TABLES.usersCerts))).toBe(genesis.users[0]!.certificatePem)
    expect(first(ours, GOV_TABLES.nodesVirtualHostData)).toEqual(first(real, GOV_TABLES.nodesVirtualHostData))
    expect(decodeJsonString(singleValue(mapWrites(ours, GOV_TABLES.constitution))!)).toBe(DEFAULT_CONSTITUTION)
    expect(fromUtf8(first(ours, GOV_TABLES.usersInfo))).toBe('{"user_data":{"a":{"c":2,"d":1},"b":1}}')
  })
})

describe('opening beside a real one', () => {
  const info = first(ours, GOV_TABLES.serviceInfo)
  const endpoints = sampleApps.flatMap((app) => app.endpoints)
  const opening = openServiceWrites(info, endpoints)

  it('changes only the status, as CCF does', () => {
    const realInfo = first(real, GOV_TABLES.serviceInfo)
    const opened = first(openServiceWrites(realInfo, []), GOV_TABLES.serviceInfo)
    expect(fromUtf8(opened)).toBe(fromUtf8(first(realOpening, GOV_TABLES.serviceInfo)))
    expect([serviceStatus(realInfo), serviceStatus(opened)]).toEqual(['Opening', 'Open'])
  })

  it('begins the chain of ledger secrets, as CCF does', () => {
    const table = INTERNAL_TABLES.historicalEncryptedLedgerSecret
    expect(mapWrites(opening, table)).toEqual(mapWrites(realOpening, table))
  })

  it('lists every endpoint', () => {
    const listed = keys(opening, GOV_TABLES.endpoints)
    expect(listed).toEqual(endpoints.map(({ verb, path }) => `${verb} ${path}`).sort())
    const rows = mapWrites(opening, GOV_TABLES.endpoints)!.writes
    const row = (name: string) => fromUtf8(rows[listed.indexOf(name)]!.value)
    expect(row('POST /log/private')).toBe(
      '{"authn_policies":["user_cert"],"forwarding_required":"always","js_function":"","js_module":"",' +
        '"mode":"readwrite","redirection_strategy":"to_primary"}',
    )
    expect(JSON.parse(row('GET /log/public'))).toMatchObject({ forwarding_required: 'sometimes', mode: 'readonly' })
  })

  it('is done once, and only with a service.info', () => {
    expect(() => openServiceWrites(first(opening, GOV_TABLES.serviceInfo), [])).toThrow(
      'only a service that is Opening',
    )
    expect(() => openServiceWrites(utf8('{}'), [])).toThrow(RangeError)
    expect(() => openServiceWrites(utf8('[]'), [])).toThrow('not a JSON object')
    expect(() => openServiceWrites(info, [endpoints[0]!, endpoints[0]!])).toThrow('the same key twice')
    expect(serviceStatus(utf8('{"status":"open"}'))).toBeUndefined()
  })

  it('both apply to an empty store', () => {
    const state = applyWriteSet(applyWriteSet(emptyKv, ours, 1), opening, 2)
    expect(serviceStatus(readMap(state, GOV_TABLES.serviceInfo).get(SINGLE_KEY)!)).toBe('Open')
    expect(readMap(state, GOV_TABLES.nodesInfo).size).toBe(3)
  })
})

describe('wrong consortia', () => {
  const write = (change: Partial<Genesis>) => () => genesisWrites({ ...genesis, ...change }, certificateId)
  const threshold = (change: Partial<Genesis>): unknown =>
    decodeJsonObject(first(write(change)(), GOV_TABLES.serviceConfig))['recovery_threshold']

  it('are refused', () => {
    expect(write({ members: [] })).toThrow('needs a member')
    expect(write({ nodes: [] })).toThrow('needs a node')
    expect(write({ members: [member('m0'), member('m0')] })).toThrow('the same key twice')
    expect(write({ users: [genesis.users[0]!, genesis.users[0]!] })).toThrow('the same key twice')
    expect(write({ nodes: [node('n0'), node('n0')] })).toThrow('the same key twice')
  })

  it('are refused with a threshold their members cannot meet', () => {
    expect(threshold({})).toBe(3)
    expect(threshold({ recoveryThreshold: 1 })).toBe(1)
    for (const bad of [0, 4, -1, 1.5, Number.NaN])
      expect(write({ recoveryThreshold: bad })).toThrow('recovery threshold')
    const owners = [member('m0', { recoveryRole: 'Owner' })]
    expect(threshold({ members: owners })).toBe(1)
    expect(write({ members: owners, recoveryThreshold: 2 })).toThrow('recovery threshold')
    const without = [{ certificatePem: member('m0').certificatePem }, member('m1', { recoveryRole: 'NonParticipant' })]
    expect(threshold({ members: without })).toBe(0)
    expect(write({ members: without, recoveryThreshold: 1 })).toThrow('recovery threshold')
    const many = Array.from({ length: 300 }, (_, i) => member(`m${i}`))
    expect(threshold({ members: many, recoveryThreshold: 254 })).toBe(254)
    expect(write({ members: many, recoveryThreshold: 255 })).toThrow('recovery threshold')
  })

  it('may state roles, data and status', () => {
    const special = member('m0', { recoveryRole: 'Owner', data: { is_operator: true }, status: 'Active' })
    expect(fromUtf8(first(write({ members: [special] })(), GOV_TABLES.membersInfo))).toBe(
      '{"member_data":{"is_operator":true},"recovery_role":"Owner","status":"Active"}',
    )
  })
})

describe('sorted JSON', () => {
  it('is how CCF wrote every JSON value of a real genesis', () => {
    let compared = 0
    for (const { name, writes } of real) {
      if (/certs|certificates|encryption_public_keys|host_data/.test(name)) continue
      for (const { value } of writes) {
        expect(fromUtf8(encodeSortedJson(decodeJson(value) as JsonValue))).toBe(fromUtf8(value))
        compared++
      }
    }
    expect(compared).toBe(11)
  })

  it('keeps every value and leaves out what is undefined', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bytes = encodeSortedJson(value as JsonValue)
        expect(fromUtf8(bytes).length).toBe(JSON.stringify(value).length)
        expect(decodeJson(bytes)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { seed: 1, numRuns: 300 },
    )
    expect(toHex(encodeSortedJson({ b: undefined, a: null }))).toBe(toHex(utf8('{"a":null}')))
  })
})
