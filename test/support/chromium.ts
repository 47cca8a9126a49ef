// The client SDK as browsers get it: one bundled file, in a page of a real Chromium. Not what the page does: that is each test's.
// The rule to remember: the page's script is sent as text, so that vitest does not rewrite its import.
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build, type Metafile } from 'esbuild'
import { chromium } from 'playwright-core'
import { ROOT } from './local-service.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** As `npm run build` makes it, in memory. */
export async function bundleForBrowsers(): Promise<{ readonly script: string; readonly metafile: Metafile }> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['runtime/client/browser.ts'],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true,
  })
  return { script: outputFiles[0]!.text, metafile }
}

export interface ClientPage {
  /** Calls the function, given as text, with `argument`; `await import('/client.mjs')` is the client. Fails when the page reports an error. */
  evaluate(functionText: string, argument: unknown): Promise<unknown>
  close(): Promise<void>
}

export async function openClientPage(script: string): Promise<ClientPage> {
  if (!existsSync(CHROMIUM)) throw new Error(`no browser at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`)
  const server = createServer((request, response) => {
    const isScript = request.url === '/client.mjs'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><title>Concordat</title>')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET })
  return {
    async evaluate(functionText, argument) {
      const tab = await browser.newPage()
      const errors: string[] = []
      tab.on('pageerror', (error) => errors.push(error.message))
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      const result: unknown = await tab.evaluate(`(${functionText})(${JSON.stringify(argument)})`)
      if (errors.length > 0) throw new Error(`the page reported: ${errors.join('; ')}`)
      return result
    },
    async close() {
      await browser.close()
      server.close()
    },
  }
}
