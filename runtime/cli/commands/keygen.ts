// `concordat keygen`: a member's or user's identity, as CCF's keygen.sh makes it: private key and self-signed certificate, in PEM.
// Not a key store. The rule to remember: the private key is readable by its owner alone, and nothing is ever overwritten.
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Option, type Command } from 'commander'
import { UsageError } from '../../../protocols/errors.ts'
import {
  createMemberIdentity,
  generateEncryptionKeys,
  privateKeyPem,
  publicKeyPem,
  type IdentityCurve,
} from '../../identity.ts'
import { printJson, printLine } from '../../terminal/output.ts'

interface KeygenOptions {
  readonly name: string
  readonly out: string
  readonly curve: IdentityCurve
  readonly days: string
  readonly genEncKey?: boolean
  readonly json?: boolean
}

const VALIDITY_DAYS_MAX = 36_500

export function register(program: Command): void {
  program
    .command('keygen')
    .description("make a member's or user's identity: a private key and a self-signed certificate")
    .requiredOption('--name <name>', 'what the files are called and the certificate says, e.g. member0')
    .option('--out <directory>', 'where the files go', '.')
    .addOption(new Option('--curve <curve>', 'curve of the key').choices(['P-384', 'P-256']).default('P-384'))
    .option('--days <days>', 'validity of the certificate', '365')
    .option('--gen-enc-key', 'also make an RSA-2048 key pair, to which recovery shares can be encrypted')
    .option('--json', 'print one JSON object')
    .action(keygen)
}

async function keygen(options: KeygenOptions): Promise<void> {
  const { name, out, curve, genEncKey } = options
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    throw new UsageError('--name is 1 to 64 letters, digits, dots, dashes and underscores, e.g. member0')
  }
  const validityDays = Number(options.days)
  if (!Number.isInteger(validityDays) || validityDays < 1 || validityDays > VALIDITY_DAYS_MAX) {
    throw new UsageError(`--days is a whole number from 1 to ${VALIDITY_DAYS_MAX}`)
  }
  const path = (suffix: string): string => join(out, `${name}_${suffix}.pem`)
  const files = { certificate: path('cert'), privateKey: path('privk') }
  const encryptionFiles = { encryptionPublicKey: path('enc_pubk'), encryptionPrivateKey: path('enc_privk') }
  const wanted = genEncKey ? { ...files, ...encryptionFiles } : files
  const existing = Object.values(wanted).find((file) => existsSync(file))
  if (existing !== undefined) throw new UsageError(`${existing} exists and is not overwritten; choose another --name`)

  const nowSeconds = Math.floor(Date.now() / 1000)
  const identity = await createMemberIdentity({ subject: `CN=${name}`, curve, nowSeconds, validityDays })
  await mkdir(out, { recursive: true })
  await writeNew(files.privateKey, privateKeyPem(identity.privateKeyPkcs8), 0o600)
  await writeNew(files.certificate, identity.certificatePem, 0o644)
  if (genEncKey) {
    const keys = await generateEncryptionKeys()
    await writeNew(encryptionFiles.encryptionPrivateKey, privateKeyPem(keys.privateKeyPkcs8), 0o600)
    await writeNew(encryptionFiles.encryptionPublicKey, publicKeyPem(keys.spki), 0o644)
  }
  if (options.json) return printJson({ id: identity.id, ...wanted })
  printLine(`id ${identity.id}`)
  for (const file of Object.values(wanted)) printLine(file)
}

/** `wx`: another process may have made the file since we looked. */
const writeNew = (file: string, pem: string, mode: number): Promise<void> =>
  writeFile(file, pem, { mode, flag: 'wx', flush: true })
