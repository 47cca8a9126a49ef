import * as c from 'node:crypto'
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
const u = (b: Buffer): Uint8Array => new Uint8Array(b.buffer, b.byteOffset, b.length)
export const nativeCrypto = {
  name: 'native',
  sha256: (...p: Uint8Array[]) => { const h = c.createHash('sha256'); for (const x of p) h.update(x); return u(h.digest()) },
  hmacSha256: (k: Uint8Array, m: Uint8Array) => u(c.createHmac('sha256', k).update(m).digest()),
  aesGcmSeal(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, pt: Uint8Array) { const x = c.createCipheriv('aes-256-gcm', key, iv); x.setAAD(aad); const ciphertext = u(x.update(pt)); x.final(); return { ciphertext, tag: u(x.getAuthTag()) } },
  aesGcmOpen(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, ct: Uint8Array, tag: Uint8Array) { const x = c.createDecipheriv('aes-256-gcm', key, iv); x.setAAD(aad); x.setAuthTag(tag); const p = u(x.update(ct)); try { x.final() } catch { return undefined } return p },
  verifyEcdsa(k: { spki: Uint8Array }, h: string, m: Uint8Array, s: Uint8Array, f: string) { try { return c.verify(h, m, { key: c.createPublicKey({ key: Buffer.from(k.spki), format: 'der', type: 'spki' }), dsaEncoding: f === 'der' ? 'der' : 'ieee-p1363' }, s) } catch { return false } },
} as unknown as Crypto
