// The map of a ledger as one self-contained SVG file, written while the ledger is read.
// Not the reading, and not the file: `write` is given. The rule to remember: size and legend are known last but stand first, so a
// head of fixed length is left blank and written at the end; every text is escaped, whoever wrote it.
import { utf8 } from '../../protocols/codec/bytes.ts'
import { invariant } from '../../protocols/errors.ts'
import { LOOKS } from './map-look.ts'
import type { MapTotals, Row, Segment } from './map-rows.ts'
import { summary } from './map-terminal.ts'
import { KIND_TITLES, TRANSACTION_KINDS } from './transaction-kind.ts'

const HEAD_BYTES = 6144
const TITLE_CHARS_MAX = 120
const HEADING_CHARS_MAX = 160

// In pixels.
const CELL = 11
const CELL_HEIGHT = 16
const ROW_HEIGHT = 22
const HEADING_HEIGHT = 30
const MARGIN = 24
const LABELS = 76
const LEGEND_TOP = 84
const LEGEND_LINE = 22
const LEGEND_COLUMN = 212
const LEGEND_COLUMNS = 3
/** Wider gaps after every ten cells make seqnos easy to count. */
const GROUP = 10
const GROUP_GAP = 4
const NARROWEST = 2 * MARGIN + LEGEND_COLUMNS * LEGEND_COLUMN

// XML 1.0 §2.2 has no place for these, escaped or not; format characters could reorder what is read.
const NOT_IN_XML = /[^\P{Cc}\t\n\r]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}\ufffe\uffff]/gu
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Any text as XML character data or attribute value. */
export const escapeXml = (text: string): string =>
  text.replace(NOT_IN_XML, '\ufffd').replace(/[&<>"']/g, (c) => ENTITIES[c]!)

/** Cut to whole code points. */
const clip = (text: string, charsMax: number): string => {
  const points = Array.from(text.slice(0, 2 * charsMax + 2))
  return points.length <= charsMax ? points.join('') : `${points.slice(0, charsMax - 1).join('')}…`
}

const style = (): string => {
  const kinds = TRANSACTION_KINDS.map((kind) => `.${kind}{fill:${LOOKS[kind].fill}}`).join('')
  return (
    `<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.n{fill:#59636e;text-anchor:end;` +
    `font:11px ui-monospace,monospace}.t{font-size:19px;font-weight:600}.s,.c{fill:#59636e}` +
    `.h{font-weight:600}.p{fill:#fff}:root{background:#fff}` +
    `${kinds}.empty{fill-opacity:0;stroke:#7d8590}.u{opacity:.4}.v{stroke:#1f2328;stroke-width:2}` +
    `@media (prefers-color-scheme:dark){:root{background:#0d1117}.p{fill:#0d1117}text{fill:#e6edf3}.n,.s,.c{fill:#9198a1}.v{stroke:#e6edf3}}</style>`
  )
}

const seqnos = (first: number, last: number, view: number): string =>
  first === last ? `${view}.${first}` : `${view}.${first} to ${view}.${last} (${last - first + 1})`

const columnX = (column: number): number => column * CELL + Math.floor(column / GROUP) * GROUP_GAP

/** One path for all cells of a segment, relative, so that a cell costs a few bytes. */
function cells({ kind, first, last, view, committed, column, startsView }: Segment, y: number): string {
  const x = MARGIN + LABELS + columnX(column)
  const title = `<title>${seqnos(first, last, view)} ${KIND_TITLES[kind]}${committed ? '' : ', uncommitted chunk'}</title>`
  const one = `v${CELL_HEIGHT}h${CELL - 2}v-${CELL_HEIGHT}z`
  let path = `M${x} ${y}${one}`
  for (let i = column + 1; i <= column + last - first; i++) path += `m${columnX(i) - columnX(i - 1)} 0${one}`
  const mark = startsView ? `<path class="v" d="${viewMark(x - 1, y)}"/>` : ''
  return `<path class="${kind}${committed ? '' : ' u'}" d="${path}">${title}</path>${mark}\n`
}

const viewMark = (x: number, y: number): string => `M${x} ${y - 2}v${CELL_HEIGHT + 4}`

interface LegendItem {
  readonly swatch: (x: number, y: number) => string
  readonly text: string
  readonly count: string
}

const swatch = (classes: string) => (x: number, y: number) =>
  `<rect class="${classes}" x="${x}" y="${y}" width="${CELL - 2}" height="${CELL_HEIGHT}"/>`

/** What there is, and what its marks mean. */
function legendItems({ counts, views, uncommittedFrom }: MapTotals): LegendItem[] {
  return [
    ...TRANSACTION_KINDS.filter((kind) => counts.has(kind)).map((kind) => ({
      swatch: swatch(kind),
      text: KIND_TITLES[kind],
      count: ` ${counts.get(kind)}`,
    })),
    ...(uncommittedFrom === undefined
      ? []
      : [{ swatch: swatch('signature u'), text: 'faint: uncommitted chunk', count: '' }]),
    ...(views < 2
      ? []
      : [
          {
            swatch: (x: number, y: number) => `<path class="v" d="${viewMark(x + 4, y)}"/>`,
            text: 'a new view begins',
            count: '',
          },
        ]),
  ]
}

function legend(totals: MapTotals): string {
  return legendItems(totals)
    .map(({ swatch: draw, text, count }, i) => {
      const x = MARGIN + (i % LEGEND_COLUMNS) * LEGEND_COLUMN
      const y = LEGEND_TOP + Math.floor(i / LEGEND_COLUMNS) * LEGEND_LINE
      const counted = count === '' ? '' : `<tspan class="c">${count}</tspan>`
      return `${draw(x, y)}<text x="${x + 18}" y="${y + 13}">${text}${counted}</text>`
    })
    .join('')
}

export class MapSvg {
  readonly #write: (bytes: Uint8Array, offset: number) => void
  readonly #columns: number
  readonly #title: string
  #offset = HEAD_BYTES
  /** Below the space of the legend, which has room for every kind. */
  #y = LEGEND_TOP + LEGEND_LINE * 4 + 20

  /** `write`: puts bytes at an offset of the file. */
  constructor(write: (bytes: Uint8Array, offset: number) => void, columns: number, title: string) {
    this.#write = write
    this.#columns = columns
    this.#title = escapeXml(clip(title, TITLE_CHARS_MAX))
  }

  #append(text: string): void {
    const bytes = utf8(text)
    this.#write(bytes, this.#offset)
    this.#offset += bytes.length
  }

  row({ first, heading, segments }: Row): void {
    let text = ''
    if (heading !== undefined) {
      this.#y += HEADING_HEIGHT
      text += `<text class="h" x="${MARGIN}" y="${this.#y - 9}">${escapeXml(clip(heading, HEADING_CHARS_MAX))}</text>\n`
    }
    const y = this.#y
    text += `<text class="n" x="${MARGIN + LABELS - 10}" y="${y + 12}">${first}</text>`
    this.#append(text + segments.map((segment) => cells(segment, y)).join(''))
    this.#y += ROW_HEIGHT
  }

  /** Writes what is known only now. `remark`: why the map ends early. */
  end(totals: MapTotals, remark?: string): void {
    if (remark !== undefined) {
      this.#y += ROW_HEIGHT
      this.#append(
        `<text class="h" x="${MARGIN}" y="${this.#y - 6}">${escapeXml(clip(remark, HEADING_CHARS_MAX))}</text>\n`,
      )
    }
    this.#append('</svg>\n')
    const width = Math.max(NARROWEST, 2 * MARGIN + LABELS + columnX(this.#columns))
    const height = this.#y + MARGIN
    const head =
      `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n` +
      `<title>${this.#title}</title>${style()}\n<rect class="p" width="${width}" height="${height}"/>\n` +
      `<text class="t" x="${MARGIN}" y="40">${this.#title}</text>` +
      `<text class="s" x="${MARGIN}" y="64">${escapeXml(summary(totals))}</text>\n${legend(totals)}\n`
    const bytes = utf8(head)
    invariant(bytes.length < HEAD_BYTES, 'the head of the drawing must fit the space left for it')
    const padded = new Uint8Array(HEAD_BYTES).fill(0x20)
    padded.set(bytes)
    padded[HEAD_BYTES - 1] = 0x0a
    this.#write(padded, 0)
  }
}
