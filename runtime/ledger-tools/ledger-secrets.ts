// Ledger secrets as an operator hands them over. Not which of them is in force (protocols/secrets), nor where they come from.
// The rule to remember: nothing of a secret is ever in a message.
import { fromHex } from '../../protocols/codec/bytes.ts'
import { parseJson } from '../../protocols/codec/json.ts'
import { LEDGER_SECRET_BYTES, type LedgerSecret } from '../../protocols/secrets/ledger-secrets.ts'

const HEX = /^[0-9a-fA-F]{64}$/
const VERSION = /^[1-9][0-9]{0,15}$/

function fromJson(text: string): LedgerSecret[] | undefined {
  let json: unknown
  try {
    json = parseJson(text)
  } catch {
    // Says only that it is not JSON; the caller tells the operator what is.
    return undefined
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const secrets: LedgerSecret[] = []
  for (const [version, hex] of Object.entries(json)) {
    if (!VERSION.test(version) || !Number.isSafeInteger(Number(version))) return undefined
    if (typeof hex !== 'string' || !HEX.test(hex)) return undefined
    secrets.push({ version: Number(version), secret: fromHex(hex) })
  }
  return secrets.length === 0 ? undefined : secrets
}

/**
 * 32 raw bytes, 64 hex digits (both: the secret of version 1), or JSON `{version: hex}`.
 * Undefined for anything else.
 */
export function parseLedgerSecrets(bytes: Uint8Array): readonly LedgerSecret[] | undefined {
  if (bytes.length === LEDGER_SECRET_BYTES) return [{ version: 1, secret: bytes }]
  const text = new TextDecoder().decode(bytes).trim()
  return HEX.test(text) ? [{ version: 1, secret: fromHex(text) }] : fromJson(text)
}
