// The program of one node process. It makes the node's keys, founds or joins a service as its parent says, and runs until told to stop.
// The rule to remember: identity and service keys live in this process only; they are made here and never written down.
import { randomBytes, randomInt } from 'node:crypto'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { Envelope } from '../actors/actor.ts'
import { channelBinding, channelKeyStatement } from '../actors/channel/identity.ts'
import type { LifecycleStage } from '../actors/effects.ts'
import { parseCertificate } from '../protocols/crypto/certificate.ts'
import { nativeCrypto } from '../protocols/crypto/native.ts'
import type { NodeId } from '../protocols/ids.ts'
import { SNAPSHOT_TX_COUNT } from '../protocols/limits.ts'
import {
  encodeIdentityPayload,
  identityHash,
  serviceIdentity,
  staticKeyStatement,
} from '../protocols/session/identity-payload.ts'
import { LEDGER_SECRET_BYTES } from '../protocols/secrets/ledger-secrets.ts'
import { lockDirectory, type DirectoryLock } from '../store/directory-lock.ts'
import { openLedger, type Ledger } from '../store/ledger/ledger.ts'
import { freshPastIndex } from '../store/past-index-lmdb.ts'
import { SnapshotFiles } from '../store/snapshots/snapshot-files.ts'
import { connectNats } from './bus/nats.ts'
import type { Bus } from './bus/bus.ts'
import { writeCrashFile } from './host/crash-file.ts'
import type { LiveHost } from './host/live.ts'
import {
  createNodeKeys,
  generateEcKeys,
  generateEncryptionKeys,
  publicKeyPem,
  selfSignNode,
  type NodeKeys,
} from './identity.ts'
import { LiveKeyring } from './keyring.ts'
import { LiveLedger } from './ledger-port.ts'
import { BackgroundIndex } from './ledger-index.ts'
import { LivePastIndex } from './past-index.ts'
import type { FromNode, NodePreparation, ToNode } from './node-process-messages.ts'
import { catalogue } from './catalogue.ts'
import { runNode } from './node.ts'
import type { NodeSetup } from './node-setup.ts'
import { sampleApps } from './samples/index.ts'
import { setUpService } from './service-setup.ts'
import { SOFTWARE_VERSION } from './version.ts'
import { JournalWriter } from './host/journal.ts'

const CERTIFICATE_DAYS = 365
/**
 * What a commit takes runs once for each: the V8 of Node 20 interprets it for the first thousands, where a request that comes alone waits longest, and
 * throws what it compiled away in a pause. Later ones compile sooner by themselves, and complain about flags that they do not know any more.
 */
const V8_FLAGS = process.versions.node.startsWith('20.') ? ['--interrupt-budget=20000', '--no-flush-bytecode'] : []
/** EX_SOFTWARE of sysexits: it stopped by itself, and said why. */
const EXIT_STOPPED = 70

type Notice = (fields: Readonly<Record<string, string | number | boolean>>) => string

/** What operators must hear of. */
const NOTICES: Readonly<Record<string, Notice>> = {
  snapshotRefused: ({ fileName, source, reason }) => `snapshot ${fileName} of ${source} is not used: ${reason}`,
  snapshotNotSaved: ({ fileName, reason }) => `snapshot ${fileName} was not written, and the node goes on: ${reason}`,
  snapshotAbandoned: ({ seqno }) =>
    `the snapshot at ${seqno} is given up: it is too large, or its receipt cannot be had`,
}

/** Why a node ends by itself, for operators. */
const FAREWELLS: Readonly<Partial<Record<LifecycleStage, { readonly why: string; readonly exitCode: number }>>> = {
  retired: { why: 'it was removed from the service, which goes on without it', exitCode: 0 },
  outrun: {
    why:
      'it was let in too slowly, and the primary no longer holds what it still needs. Add another, which begins at a snapshot ' +
      '(concordat node add; with --node-data it may have this directory)',
    exitCode: EXIT_STOPPED,
  },
}

const tell = (message: FromNode): void => {
  process.send?.(message)
}

/** What a prepared node holds until it founds or joins. */
interface Prepared {
  readonly preparation: NodePreparation
  readonly lock: DirectoryLock
  readonly keys: NodeKeys
  /** RSA, PKCS#8. */
  readonly encryptionKey: Uint8Array
  readonly bus: Bus
  readonly ledger: Ledger
  readonly snapshots: SnapshotFiles
  readonly index: BackgroundIndex
  readonly pastIndex: LivePastIndex
}

/**
 * An earlier node's ledger, its index and its index of the past: none of it continues under another identity, and none of it is lost. Its
 * snapshots stay, for they are verified before they are used.
 */
function setAside(directory: string): void {
  if (!existsSync(join(directory, 'ledger'))) return
  let n = 1
  while (existsSync(join(directory, `earlier-${n}`))) n++
  const aside = join(directory, `earlier-${n}`)
  mkdirSync(aside, { mode: 0o700 })
  for (const name of ['ledger', 'index', 'past']) {
    if (existsSync(join(directory, name))) renameSync(join(directory, name), join(aside, name))
  }
  console.error(`the ledger of an earlier node was set aside in ${aside}; its snapshots are used again if they hold`)
}

async function prepare(preparation: NodePreparation): Promise<Prepared> {
  const { directory, servers, token, service } = preparation
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const lock = await lockDirectory(directory)
  const ledgerDirectory = join(directory, 'ledger')
  if (preparation.reuse) setAside(directory)
  else if (existsSync(ledgerDirectory))
    throw new Error(`${ledgerDirectory} holds the ledger of an earlier node; it is not overwritten`)
  const keys = await createNodeKeys(preparation.curve)
  const encryption = await generateEncryptionKeys()
  const ledger = openLedger({
    directory: ledgerDirectory,
    flush: preparation.flush,
    ...(preparation.chunkBytes === undefined ? {} : { chunkBytes: preparation.chunkBytes }),
    onNotice: (notice) => {
      if (notice.type === 'failed') stopWithoutLedger(notice.reason)
    },
  })
  const snapshots = new SnapshotFiles({
    directory: join(directory, 'snapshots'),
    neededSeqno: () => ledger.firstSeqno - 1,
  })
  for (const file of snapshots.removed) console.error(`unfinished snapshot ${file} was removed`)
  const index = new BackgroundIndex(join(directory, 'index'))
  const pastIndex = new LivePastIndex(freshPastIndex(join(directory, 'past')))
  const bus = await connectNats({
    servers,
    ...(token === undefined ? {} : { token }),
    name: `concordat ${service} ${keys.nodeId.slice(0, 8)}`,
    waitOnFirstConnectMs: 10_000,
  })
  const encryptionPublicKeyPem = publicKeyPem(encryption.spki)
  tell({ type: 'prepared', nodeId: keys.nodeId, spki: keys.spki, encryptionPublicKeyPem, address: preparation.address })
  return {
    preparation,
    lock,
    keys,
    encryptionKey: encryption.privateKeyPkcs8,
    bus,
    ledger,
    snapshots,
    index,
    pastIndex,
  }
}

/** Makes the service's key and certificates and its first transactions; this node begins to lead it. */
async function found(prepared: Prepared, message: Extract<ToNode, { type: 'found' }>): Promise<LiveHost> {
  const { preparation } = prepared
  const serviceKeys = await generateEcKeys(preparation.curve)
  const setup = setUpService(nativeCrypto, {
    curve: preparation.curve,
    serviceKey: { pkcs8: serviceKeys.privateKeyPkcs8, spki: serviceKeys.spki },
    nodes: message.nodes,
    members: message.members,
    users: message.users,
    apps: sampleApps,
    nowSeconds: Math.floor(Date.now() / 1000),
    validityDays: CERTIFICATE_DAYS,
  })
  const host = run(prepared, {
    nodeIds: setup.nodes.map(({ nodeId }) => nodeId),
    serviceCertificatePem: setup.serviceCertificatePem,
    founding: {
      servicePrivateKey: serviceKeys.privateKeyPkcs8,
      ledgerSecret: new Uint8Array(randomBytes(LEDGER_SECRET_BYTES)),
      genesis: setup.genesis,
      opening: setup.opening,
    },
  })
  tell({ type: 'founded', serviceCertificatePem: setup.serviceCertificatePem })
  return host
}

function joinService(prepared: Prepared, message: Extract<ToNode, { type: 'join' }>): LiveHost {
  const host = run(prepared, { ...message, founding: undefined })
  tell({ type: 'joining' })
  return host
}

interface Membership extends Pick<NodeSetup, 'serviceCertificatePem' | 'founding'> {
  /** Of the service's nodes; this one may be among them. */
  readonly nodeIds: readonly NodeId[]
}

function nodeSetup({ keys, encryptionKey, preparation }: Prepared, membership: Membership): NodeSetup {
  const { nodeIds, serviceCertificatePem, founding } = membership
  const { service, timing, curve } = preparation
  const staticKey = new Uint8Array(randomBytes(32))
  const staticPublicKey = nativeCrypto.x25519PublicKey(staticKey)
  const serviceCertificate = parseCertificate(serviceCertificatePem)
  const sign = (statement: Uint8Array): Uint8Array =>
    nativeCrypto.signEcdsa(keys.privateKeyPkcs8, identityHash(curve), statement, 'der')
  const selfSigned = selfSignNode(keys, { nowSeconds: Math.floor(Date.now() / 1000), validityDays: CERTIFICATE_DAYS })
  const sessionStatement = staticKeyStatement(
    'node',
    serviceIdentity(nativeCrypto, serviceCertificate),
    staticPublicKey,
  )
  return {
    softwareVersion: SOFTWARE_VERSION,
    service,
    nodeId: keys.nodeId,
    peers: nodeIds.filter((id) => id !== keys.nodeId),
    serviceCertificatePem,
    serviceCurve: curve,
    staticKey,
    encryptionKey,
    channelBinding: channelBinding(nativeCrypto, service),
    channelIdentity: encodeIdentityPayload({
      role: 'node',
      proof: {
        certificate: selfSigned.certificateDer,
        signature: sign(channelKeyStatement(nativeCrypto, service, staticPublicKey)),
      },
    }),
    sessionSignature: sign(sessionStatement),
    timing,
    snapshotTxCount: preparation.snapshotTxCount ?? SNAPSHOT_TX_COUNT,
    founding,
  }
}

/** Written out whatever ends the process, except a kill. */
function openJournal(directory: string, setup: NodeSetup): JournalWriter {
  const kinds = catalogue().map(({ kind, version }) => ({ kind, version }))
  const journal = new JournalWriter(join(directory, 'node.journal'), { setup, kinds })
  process.on('exit', () => journal.close())
  return journal
}

function run(prepared: Prepared, membership: Membership): LiveHost {
  const { keys, bus, ledger, snapshots, index, pastIndex, preparation } = prepared
  const setup = nodeSetup(prepared, membership)
  const keyring = new LiveKeyring()
  keyring.install('node', keys.privateKeyPkcs8)
  const journal = preparation.journal ? openJournal(preparation.directory, setup) : undefined
  const host = runNode({
    setup,
    bus,
    keyring,
    crypto: nativeCrypto,
    apps: sampleApps,
    ledger: new LiveLedger(ledger, index),
    pastIndex,
    snapshots,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    random: () => randomInt(2 ** 32) / 2 ** 32,
    checkInvariants: process.env['CONCORDAT_CHECK'] === '1',
    onTrace: (from, point, fields) => {
      if (point === 'ledgerCorrupt') console.error(`ledger entry ${fields['seqno']} is corrupt: ${fields['reason']}`)
      const notice = NOTICES[point]
      if (notice !== undefined) console.error(notice(fields))
      if (process.env['CONCORDAT_TRACE'] === '1') console.error(`${from} ${point} ${JSON.stringify(fields)}`)
    },
    onDefect: (error, last) => crash(preparation.directory, error, last),
    onLifecycle: (stage) => {
      if (stage === 'serving') tell({ type: 'serving' })
      const farewell = FAREWELLS[stage]
      if (farewell === undefined) return
      console.error(`this node stops: ${farewell.why}`)
      void stop(host, prepared, farewell.exitCode)
    },
    ...(journal === undefined ? {} : { observe: (envelope, effects) => journal.record(envelope, effects) }),
  })
  return host
}

/** A defect or corrupt data: this node stops at once and leaves what led to it. */
function crash(directory: string, error: Error, last: readonly Envelope[]): never {
  const file = writeCrashFile(directory, error, last)
  console.error(`this node stops: ${error.name}: ${error.message} (${file})`)
  process.exit(EXIT_STOPPED)
}

/** Disk full, gone or read-only: a node that cannot vote must not go on holding sessions and answering for the service. The others do that. */
function stopWithoutLedger(reason: string): never {
  console.error(`this node stops: its ledger cannot be written: ${reason}`)
  process.exit(EXIT_STOPPED)
}

async function stop(host: LiveHost | undefined, prepared: Prepared | undefined, exitCode = 0): Promise<never> {
  host?.stop()
  if (prepared !== undefined) {
    await prepared.bus.close()
    await new Promise<void>((done) => prepared.ledger.close(() => done()))
    await prepared.index.close()
    await prepared.pastIndex.close()
    await prepared.lock.release()
  }
  process.exit(exitCode)
}

/** Runs until the parent says stop, or is gone. */
export function runNodeProcess(): void {
  for (const flag of V8_FLAGS) setFlagsFromString(flag)
  let prepared: Prepared | undefined
  let host: LiveHost | undefined
  const handle = async (message: ToNode): Promise<void> => {
    switch (message.type) {
      case 'prepare':
        prepared = await prepare(message.preparation)
        return
      case 'found':
        host = await found(prepared!, message)
        return
      case 'join':
        host = joinService(prepared!, message)
        return
      case 'stop':
        await stop(host, prepared)
    }
  }
  process.on('message', (message) => {
    handle(message as ToNode).catch((error: unknown) => {
      tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) })
      process.exitCode = 1
      process.disconnect?.()
    })
  })
  process.on('disconnect', () => void stop(host, prepared))
  process.on('SIGTERM', () => void stop(host, prepared))
}
