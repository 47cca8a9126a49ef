// Goal: protocols/README.md cannot rot. Its worked examples are the bytes the code makes (and read back to what they say), its table of limits
// is protocols/limits.ts, and it names every error code and every folder. When this fails, correct the README by hand.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { concat, EMPTY, fromHex, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { encodePeerMessage, type PeerEnvelope } from '../../../protocols/consensus/peer-codec.ts'
import { nobleCrypto as crypto } from '../../../protocols/crypto/noble.ts'
import { nodeId, seqno, view } from '../../../protocols/ids.ts'
import { decodeEntry, encodeEntry, openPrivateDomain } from '../../../protocols/ledger/entry.ts'
import { commitEvidenceDigest, commitSecret, entryLeaf } from '../../../protocols/ledger/leaf.ts'
import * as limits from '../../../protocols/limits.ts'
import { append, emptyTree, root } from '../../../protocols/merkle/tree.ts'
import { errorCodes } from '../../../protocols/session/error-codes.ts'
import { openFrame, sealFrame, startReceiving, startSending } from '../../../protocols/session/frame.ts'
import { sessionPrologue } from '../../../protocols/session/hello.ts'
import { staticKeyStatement } from '../../../protocols/session/identity-payload.ts'
import { decodeClientBatch } from '../../../protocols/session/messages-decode.ts'
import { encodeClientBatch } from '../../../protocols/session/messages-encode.ts'
import { noiseKeyPair } from '../../../protocols/session/noise.ts'

const folder = fileURLToPath(new URL('../../../protocols/', import.meta.url))
const readme = readFileSync(`${folder}README.md`, 'utf8')

/** Examples by name: fenced blocks ```hex <name>, each line `hex  remark`, joined without remarks. */
const examples = new Map(
  [...readme.matchAll(/^```hex ([a-z-]+)\n([\s\S]*?)^```$/gm)].map(([, name, body]) => [
    name,
    body!.replaceAll(/^([0-9a-f ]*?)(?: {2,}.*)?$/gm, (_, hex: string) => hex.replaceAll(' ', '')).replaceAll('\n', ''),
  ]),
)

// What the README assumes in its examples.
const bytes32 = (first: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, i) => first + i)
const KEY = bytes32(0x00)
const SERVICE_IDENTITY = new Uint8Array(32).fill(0xaa)
const STATIC = noiseKeyPair(crypto, bytes32(0x20))
const TX_ID = { view: view(2), seqno: seqno(1) }

const prologue = sessionPrologue('demo', SERVICE_IDENTITY)

const request = { id: 1, verb: 'PUT', path: '/app/log?id=7', body: utf8('"hi"') }
const batch = encodeClientBatch({ requests: [request], controls: [{ type: 'ping', id: 2 }] })[0]!
const sealed = sealFrame(crypto, startSending(KEY), batch)

const writes = [
  { name: 'notes', writes: [{ key: utf8('k'), value: utf8('secret') }], removes: [] },
  { name: 'public:log', writes: [{ key: utf8('7'), value: utf8('"hi"') }], removes: [utf8('6')] },
]
const secret = commitSecret(crypto, KEY)
const { bytes: entry } = encodeEntry(crypto, KEY, {
  ...TX_ID,
  flags: 0,
  claimsDigest: undefined,
  commitEvidenceDigest: commitEvidenceDigest(crypto, secret, TX_ID.view, TX_ID.seqno),
  writes,
})
const leaf = entryLeaf(crypto, entry, decodeEntry(entry))
const tree = append(crypto, emptyTree, leaf)
const rootHash = root(crypto, tree).root

const between = (actor: string, message: PeerEnvelope['message']): Uint8Array =>
  encodePeerMessage({ fromActor: actor, toActor: actor, message })[0]!
const nodeMessages = concat(
  between('node', { type: 'retirementQuery' }),
  between('node', { type: 'retiredCommitted' }),
  between('replica', {
    type: 'AppendEntries',
    view: 2,
    prevIdx: 4,
    prevView: 2,
    idx: 6,
    viewOfIdx: 2,
    leaderCommitIdx: 4,
    records: [
      { seqno: 5, view: 2, kind: 'transaction', bytes: utf8('entry') },
      { seqno: 6, view: 2, kind: 'reconfiguration', bytes: utf8('entry'), nodes: [nodeId('a'), nodeId('b')] },
    ],
  }),
)

const COMPUTED: Readonly<Record<string, Uint8Array>> = {
  'session-prologue': prologue,
  'static-key-statement': staticKeyStatement('client', SERVICE_IDENTITY, STATIC.publicKey),
  'client-batch': batch,
  'sealed-frame': 'bytes' in sealed ? sealed.bytes : EMPTY,
  entry,
  'leaf-and-root': concat(leaf, rootHash),
  'node-messages': nodeMessages,
}

describe('protocols/README.md', () => {
  it.each(Object.entries(COMPUTED))('shows the example %s as the code makes it', (name, bytes) => {
    expect(examples.get(name)).toBe(toHex(bytes))
  })

  it('shows no other examples', () => {
    expect(new Set(examples.keys())).toEqual(new Set(Object.keys(COMPUTED)))
  })

  it('shows examples that read back to what they say', () => {
    const shown = (name: string): Uint8Array => fromHex(examples.get(name) ?? '')
    const opened = openFrame(crypto, startReceiving(KEY), shown('sealed-frame'))
    expect('plaintext' in opened && decodeClientBatch(opened.plaintext)).toEqual({
      requests: [request],
      refused: [],
      controls: [{ type: 'ping', id: 2 }],
    })
    const decoded = decodeEntry(shown('entry'))
    expect([...(openPrivateDomain(crypto, KEY, decoded) ?? []), ...decoded.publicWrites]).toEqual(writes)
  })

  it('lists the limits of limits.ts, every one, with their values', () => {
    const listed = [...readme.matchAll(/^\| `([A-Z_]+)` +\| ([0-9]+) +\|/gm)].map(([, name, value]) => [
      name,
      Number(value),
    ])
    expect(Object.fromEntries(listed)).toEqual({ ...limits })
  })

  it('names every error code, every folder and every file at the top', () => {
    const names = readdirSync(folder, { withFileTypes: true }).filter((item) => item.name !== 'README.md')
    const shown = names.map((item) => (item.isDirectory() ? `${item.name}/` : item.name))
    for (const name of [...errorCodes(), ...shown]) expect(readme).toContain(`\`${name}\``)
  })
})
