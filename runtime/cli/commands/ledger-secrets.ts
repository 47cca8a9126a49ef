// `concordat ledger secrets`: whether the ledger's chain of secrets holds, and, with the latest secret, whether they open everything.
// Not signatures (`ledger verify`). The rule to remember: secrets leave only into the file of --out, which nobody else may read.
import type { Command } from 'commander'
import { toHex } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { UsageError } from '../../../protocols/errors.ts'
import type { LedgerSecret } from '../../../protocols/secrets/ledger-secrets.ts'
import { decodeShare } from '../../../protocols/secrets/shamir.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'
import { chunkRow } from '../../ledger-tools/chunk-row.ts'
import {
  latestSecret,
  type LatestFrom,
  openEveryEntry,
  readRecordedSecrets,
  type RecordedSecrets,
  secretsFrom,
  versionsOf,
  type VersionReport,
} from '../../ledger-tools/secrets-audit.ts'
import { printJson, printLine } from '../../terminal/output.ts'
import { Problem } from '../../terminal/problem.ts'
import { readInput } from '../input.ts'
import { gather, readSecrets, writeSecretFile } from '../secret-files.ts'

const WRAPPING_KEY_BYTES = 32

const HELP = `
Without keys: each record of the chain must name the one before it. With the members' decrypted shares, the wrapping key, or
the secrets themselves: every older secret is opened, and then every entry's seal and commit evidence is checked.
--out writes {"<version>": "<64 hex digits>"}, mode 0600, as ledger read --secret and receipt make --secret take it.
Only committed chunks are read, unless --uncommitted. Exit code 1: a fault (file, offset and seqno are named), or the keys do not fit.
`

interface SecretsOptions {
  readonly share?: readonly string[]
  readonly wrappingKey?: string
  readonly secret?: readonly string[]
  readonly uncommitted?: boolean
  readonly out?: string
  readonly json?: boolean
}

export function registerSecrets(ledger: Command, ledgerDirectory: (given: string) => string): void {
  ledger
    .command('secrets')
    .description('check the chain of ledger secrets, and recover them from recovery shares')
    .argument('<directory>', 'the ledger directory of a node')
    .option('--share <file>', 'a decrypted recovery share, 44 bytes; may be repeated', gather)
    .option('--wrapping-key <file>', 'the key that the shares stand for, 32 bytes')
    .option('--secret <file>', 'ledger secret(s); may be repeated', gather)
    .option('--uncommitted', 'also chunks that are not committed')
    .option('--out <file>', 'write the secrets there')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (given: string, options: SecretsOptions) => secrets(ledgerDirectory(given), options))
}

async function secrets(directory: string, options: SecretsOptions): Promise<void> {
  const { share, wrappingKey, secret, out } = options
  const given = [share, wrappingKey, secret].filter((option) => option !== undefined).length
  if (given > 1) throw new UsageError('give one of --share, --wrapping-key and --secret')
  if (out !== undefined && given === 0) throw new UsageError('--out needs --share, --wrapping-key or --secret')
  const all = chunkRow(realFiles, directory)
  const chunks = options.uncommitted === true ? all : all.filter(({ committed }) => committed)
  const recorded = readRecordedSecrets(chunks)
  if (given === 0) return report(versionsOf(recorded), options)
  const known = await knownSecrets(directory, recorded, options)
  const versions = openEveryEntry(nativeCrypto, chunks, known)
  if (out !== undefined) await writeSecrets(out, known)
  report(versions, options)
}

/** @throws UsageError, Problem when what is given does not fit, CorruptDataError */
async function knownSecrets(directory: string, recorded: RecordedSecrets, options: SecretsOptions) {
  if (options.secret !== undefined) return readSecrets(options.secret)
  const from = await latestFrom(options)
  const found = latestSecret(nativeCrypto, recorded, from)
  if (!found.ok) throw new Problem(found.reason)
  return secretsFrom(nativeCrypto, recorded, found.latest, directory)
}

async function latestFrom({ share = [], wrappingKey }: SecretsOptions): Promise<LatestFrom> {
  if (wrappingKey !== undefined) {
    const key = await readInput(wrappingKey, 'wrapping key')
    if (key.length !== WRAPPING_KEY_BYTES) throw new UsageError(`wrapping key ${wrappingKey}: not 32 bytes`)
    return { kind: 'wrappingKey', key }
  }
  const shares = []
  for (const path of share) {
    const decoded = decodeShare(await readInput(path, 'recovery share'))
    if (decoded === undefined) throw new UsageError(`recovery share ${path}: not the 44 bytes of a decrypted share`)
    shares.push(decoded)
  }
  return { kind: 'shares', shares }
}

function writeSecrets(out: string, known: readonly LedgerSecret[]): Promise<void> {
  const json = Object.fromEntries(known.map(({ version, secret }) => [String(version), toHex(secret)]))
  return writeSecretFile(out, `${JSON.stringify(json)}\n`, `${known.length} ledger secrets written to ${out}`)
}

function report(versions: readonly VersionReport[], { json }: SecretsOptions): void {
  if (json === true) return printJson({ versions })
  for (const { version, from, to, opened } of versions) {
    const seen = opened === undefined ? 'not opened (no key given)' : `${opened} entries opened`
    printLine(`version ${version}: seqno ${from} to ${to}, ${seen}`)
  }
}
