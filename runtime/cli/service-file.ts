// `service.json` of a data directory: what `concordat up` writes so that `concordat call` needs no options.
// Not a trust anchor of its own: it names the certificate that is. Paths in it are relative to the data directory.
// The rule to remember: it holds no secret, only the name of the file that does.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as v from 'valibot'
import { UsageError } from '../../protocols/errors.ts'
import { readJsonInput } from './input.ts'

export const SERVICE_FILE = 'service.json'

const text = v.pipe(v.string(), v.nonEmpty())
const schema = v.object({
  service: text,
  servers: v.union([text, v.pipe(v.array(text), v.nonEmpty())]),
  serviceCertificate: text,
  user: v.optional(v.object({ certificate: text, privateKey: text })),
})

export interface ServiceFile {
  readonly service: string
  readonly servers: string | readonly string[]
  /** Absolute path of the PEM. */
  readonly serviceCertificate: string
  /** Absolute paths of the PEMs. */
  readonly user: { readonly certificate: string; readonly privateKey: string } | undefined
}

/** Undefined when there is none. @throws UsageError when it is malformed. */
export async function readServiceFile(directory: string): Promise<ServiceFile | undefined> {
  const path = join(directory, SERVICE_FILE)
  if (!existsSync(path)) return undefined
  return parseServiceFile(await readJsonInput(path, 'service file'), directory)
}

/** The content of a service file in `directory`. @throws UsageError when it is malformed. */
export function parseServiceFile(json: unknown, directory: string): ServiceFile {
  const path = join(directory, SERVICE_FILE)
  const parsed = v.safeParse(schema, json)
  if (!parsed.success) throw new UsageError(`${path}: ${parsed.issues[0].message}`)
  const { service, servers, serviceCertificate, user } = parsed.output
  const inside = (file: string): string => resolve(directory, file)
  return {
    service,
    servers,
    serviceCertificate: inside(serviceCertificate),
    user: user && { certificate: inside(user.certificate), privateKey: inside(user.privateKey) },
  }
}
