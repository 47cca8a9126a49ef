// `concordat member share`: a member's recovery share, decrypted with the key that only the member has (CCF facts §6.4, §8.3).
// Not what is done with shares (`ledger secrets`). The rule to remember: the share leaves only into the file of --out, which nobody else may read.
import { createPrivateKey } from 'node:crypto'
import type { Command } from 'commander'
import { DecodeError, fromBase64 } from '../../../protocols/codec/bytes.ts'
import { nativeCrypto } from '../../../protocols/crypto/native.ts'
import { UsageError } from '../../../protocols/errors.ts'
import { openShare } from '../../../protocols/secrets/recovery-shares.ts'
import { encodeShare } from '../../../protocols/secrets/shamir.ts'
import { realFiles } from '../../../store/ledger/real-files.ts'
import { chunkRow } from '../../ledger-tools/chunk-row.ts'
import { readRecordedSecrets } from '../../ledger-tools/secrets-audit.ts'
import { printJson } from '../../terminal/output.ts'
import { Problem } from '../../terminal/problem.ts'
import { addReachOptions, type ReachOptions, withClient } from '../connection.ts'
import { readTextInput } from '../input.ts'
import { ledgerDirectory } from '../ledger-directory.ts'
import { writeSecretFile } from '../secret-files.ts'

const MEMBER_ID = /^[0-9a-f]{64}$/
const API_VERSION = '2024-07-01'

const HELP = `
The newest share is taken: from --ledger, or else from the service, which gives it to anybody, for it is encrypted.
--out gets the 44 bytes that \`ledger secrets --share\` takes, mode 0600. A share opens nothing alone, unless the threshold is 1.
Only committed chunks are read, unless --uncommitted. Exit code 1: there is no share for the member, or it is not for this key.
`

interface ShareOptions extends ReachOptions {
  readonly key: string
  readonly member: string
  readonly ledger?: string
  readonly uncommitted?: boolean
  readonly out: string
  readonly json?: boolean
}

export function register(program: Command): void {
  const member = program.command('member').description('what members of the consortium do with their own keys')
  const command = member
    .command('share')
    .description("decrypt a member's recovery share")
    .requiredOption('--key <file>', "PEM of the member's RSA private key (`keygen --gen-enc-key`: …_enc_privk.pem)")
    .requiredOption('--member <id>', "the member's id: the SHA-256 of its certificate, 64 hex digits")
    .requiredOption('--out <file>', 'write the share there; nothing is overwritten')
    .option('--ledger <directory>', 'take the share from the ledger directory of a node, offline')
    .option('--uncommitted', 'with --ledger: also chunks that are not committed')
    .option('--json', 'print one JSON object')
  addReachOptions(command).addHelpText('after', HELP).action(share)
}

async function share(options: ShareOptions): Promise<void> {
  const { key, member, ledger, out, json } = options
  if (!MEMBER_ID.test(member)) throw new UsageError('--member is 64 lower-case hex digits')
  if (options.uncommitted === true && ledger === undefined) throw new UsageError('--uncommitted needs --ledger')
  const pkcs8 = rsaPkcs8(await readTextInput(key, 'private key'), key)
  const encrypted = ledger === undefined ? await askedShare(options) : recordedShare(ledger, options)
  const opened = openShare(nativeCrypto, pkcs8, encrypted)
  if (opened === undefined) throw new Problem(`the recovery share of ${member} is not for the key ${key}`)
  await writeSecretFile(out, encodeShare(opened), `the recovery share was written to ${out}`)
  if (json === true) printJson({ member, out })
}

/** @throws UsageError, which holds nothing of the file's content */
function rsaPkcs8(pem: string, file: string): Uint8Array {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'rsa') return new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
  } catch {
    throw new UsageError(`${file} is not a private key in PEM, or it is encrypted`)
  }
  throw new UsageError(`${file} is not an RSA key; a member's shares are for its encryption key`)
}

/** @throws Problem, CorruptDataError */
function recordedShare(ledger: string, { member, uncommitted }: ShareOptions): Uint8Array {
  const all = chunkRow(realFiles, ledgerDirectory(ledger))
  const { shares } = readRecordedSecrets(uncommitted === true ? all : all.filter(({ committed }) => committed))
  if (shares === undefined) throw new Problem('the ledger holds no recovery shares')
  const { encryptedShares } = shares
  if (Object.hasOwn(encryptedShares, member)) return encryptedShares[member]!
  throw new Problem(`there is no recovery share for ${member}, but for ${Object.keys(encryptedShares).join(', ')}`)
}

/** @throws Problem */
async function askedShare(options: ShareOptions): Promise<Uint8Array> {
  let found: Uint8Array | undefined
  await withClient({ ...options, key: undefined }, async (client) => {
    const path = `/gov/recovery/encrypted-shares/${options.member}?api-version=${API_VERSION}`
    const response = await client.request(`GET ${path}`)
    if (!response.ok)
      throw new Problem(response.error?.message ?? `the service answered with status ${response.status}`)
    const { encryptedShare } = (response.body ?? {}) as { readonly encryptedShare?: unknown }
    found = typeof encryptedShare === 'string' ? decoded(encryptedShare) : undefined
  })
  if (found === undefined) throw new Problem('the service answered with no share')
  return found
}

function decoded(base64: string): Uint8Array | undefined {
  try {
    return fromBase64(base64)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
