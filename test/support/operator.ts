// What tests do as the operator of a service of theirs. The rule to remember: a busy machine may elect another primary at any time, so what
// was refused or lost for that reason is asked again; the lost one may have been done, too.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConcordatError, type ClientIdentity } from '../../runtime/client/index.ts'
import { joinService, type JoinedNode } from '../../runtime/join-service.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { connectClient, program, TEST_TIMING, until } from './local-service.ts'

/** Member 0, as `concordat node` uses it. */
export function operatorOf(service: LocalService): ClientIdentity {
  const read = (name: string): string => readFileSync(join(service.directory, name), 'utf8')
  return { certificatePem: read('member0_cert.pem'), privateKeyPem: read('member0_privk.pem') }
}

/** Starts a fourth node and lets it in, as `concordat node add` does. */
export async function joinFourth(
  service: LocalService,
  {
    timing = TEST_TIMING,
    onNotice = () => undefined,
  }: Partial<Pick<Parameters<typeof joinService>[0], 'timing' | 'onNotice'>> = {},
): Promise<JoinedNode> {
  return joinService({
    program: await program(),
    directory: join(service.directory, 'node3'),
    name: 'node3',
    address: 'node3',
    service: service.service,
    servers: service.servers,
    serviceCertificatePem: service.serviceCertificatePem,
    operator: operatorOf(service),
    timing,
    onNotice,
  })
}

/** Resolves once a new ledger secret is answered with 200, and is committed if that is waited for. */
export async function rekey(service: LocalService, wait: { readonly wait?: 'committed' }): Promise<void> {
  await until('a rekey', async () => {
    const client = await connectClient(service, { identity: operatorOf(service) })
    try {
      return (await client.request('POST /node/ledger-secrets:rekey', undefined, wait)).ok
    } catch (error) {
      if (error instanceof ConcordatError) return false
      throw error
    } finally {
      await client.close()
    }
  })
}
