// Goal: every chart keeps to what charts may be (DESIGN §3), every node runs every chart, and the drawings in test/golden/charts and
// actors/README.md are those of today's charts. `UPDATE_GOLDEN=1` draws them anew.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { forbidden } from '../../actors/chart.ts'
import { catalogue } from '../../runtime/catalogue.ts'
import { allCharts } from '../support/charts.ts'
import { mermaid } from '../support/mermaid.ts'
import { ROOT } from './sources.ts'

const charts = await allCharts()
const drawings = charts.map(({ kind, machine }) => ({ kind, text: mermaid(machine) }))
const golden = join(ROOT, 'test/golden/charts')
const readme = join(ROOT, 'actors/README.md')
const BEGIN = '<!-- charts: drawn by test/tidy/charts.test.ts (UPDATE_GOLDEN=1) -->'
const END = '<!-- end of charts -->'

/** The README with its part between the markers replaced. */
function withDrawings(text: string): string {
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new Error('actors/README.md has lost its chart markers')
  const sections = drawings.map((drawing) => `### ${drawing.kind}\n\n\`\`\`mermaid\n${drawing.text}\n\`\`\`\n\n`)
  return `${text.slice(0, begin + BEGIN.length)}\n\n${sections.join('')}${text.slice(end)}`
}

if (process.env['UPDATE_GOLDEN'] === '1') {
  for (const { kind, text } of drawings) writeFileSync(join(golden, `${kind}.mmd`), `${text}\n`)
  writeFileSync(readme, withDrawings(readFileSync(readme, 'utf8')))
}

describe('charts', () => {
  it('are what the nodes run, each under its own name', () => {
    const kinds = charts.map(({ kind }) => kind)
    expect(
      catalogue()
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(kinds)
    expect(charts.map(({ machine }) => machine.id)).toEqual(kinds)
  })

  it.each(charts)('$kind is small, flat, and made of known names', ({ machine }) =>
    expect(forbidden(machine)).toBeUndefined(),
  )

  it.each(charts)('$kind uses every guard and action it names, and reaches every state', ({ machine }) => {
    const nodes = [machine.root, ...Object.values(machine.root.states)]
    const transitions = nodes.flatMap((node) => [...node.transitions.values()].flat())
    const used = transitions.flatMap(({ guard, actions }) => [guard, ...actions].filter((name) => name !== undefined))
    const named = [machine.implementations.guards, machine.implementations.actions].flatMap((table) =>
      Object.keys(table),
    )
    expect(named.filter((name) => !used.includes(name as never))).toEqual([])
    const initial = machine.root.initial.target ?? []
    const reached = new Set([...initial, ...transitions.flatMap(({ target }) => target ?? [])].map((node) => node.key))
    expect(Object.keys(machine.root.states).filter((name) => !reached.has(name))).toEqual([])
  })
})

describe('drawings', () => {
  it.each(drawings)('in test/golden/charts are current: $kind', ({ kind, text }) => {
    const file = join(golden, `${kind}.mmd`)
    expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(`${text}\n`)
  })

  it('are of charts that exist', () => {
    const names = readdirSync(golden).filter((name) => name.endsWith('.mmd'))
    expect(names.sort()).toEqual(drawings.map(({ kind }) => `${kind}.mmd`))
  })

  it('are all in actors/README.md', () => {
    const text = readFileSync(readme, 'utf8')
    expect(text).toBe(withDrawings(text))
  })
})
