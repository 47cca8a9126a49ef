// Makes the *.json files of this folder from Wycheproof's testvectors_v1: `node trim.mjs PATH_TO_WYCHEPROOF`.
// Drops what no test reads (notes, flags, the second and third form of each key) and AES-GCM sizes we do not use. No test case
// of the kept kinds is dropped.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [from] = process.argv.slice(2)
const read = (name) => JSON.parse(readFileSync(join(from, `${name}_test.json`), 'utf8'))
function write(name, groups) {
  const lines = groups.map((group) => JSON.stringify(group))
  writeFileSync(new URL(`${name}.json`, import.meta.url), `[\n${lines.join(',\n')}\n]\n`)
}
const pick = (object, fields) => Object.fromEntries(fields.map((field) => [field, object[field]]))
function plain(name, groupFields, fields, keep = () => true) {
  const groups = read(name).testGroups.filter(keep)
  write(
    name,
    groups.map((group) => ({
      ...pick(group, groupFields),
      tests: group.tests.map((test) => pick(test, ['tcId', 'comment', 'result', ...fields])),
    })),
  )
}

plain('aes_gcm', [], ['key', 'iv', 'aad', 'msg', 'ct', 'tag'], (g) => g.keySize === 256 && g.ivSize === 96 && g.tagSize === 128)
plain('hmac_sha256', ['tagSize'], ['key', 'msg', 'tag'])
plain('hkdf_sha256', [], ['ikm', 'salt', 'info', 'size', 'okm'])
plain('x25519', [], ['public', 'private', 'shared'])
for (const name of [
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp256r1_sha256_p1363',
  'ecdsa_secp384r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp384r1_sha384_p1363',
  'ecdsa_secp521r1_sha512_p1363',
]) {
  plain(name, ['publicKeyDer'], ['msg', 'sig'])
}
