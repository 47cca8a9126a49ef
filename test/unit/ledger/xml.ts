// Whether a text is a well-formed XML document, as far as our drawings use XML: elements, attributes, text, the predefined entities.
// Not a parser for others' XML: no comments, CDATA, processing instructions or namespaces. The rule to remember: unknown means false.
const TOKEN = /<\/([A-Za-z]+)>|<([A-Za-z]+)((?: [A-Za-z:]+="[^"<]*")*)(\/?)>|([^<]+)/y
// What XML 1.0 §2.2 allows.
const CHARS = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u
const LONE_AMPERSAND = /&(?!(amp|lt|gt|quot|#39);)/

export function wellFormed(xml: string): boolean {
  if (!CHARS.test(xml) || LONE_AMPERSAND.test(xml)) return false
  const open: string[] = []
  let roots = 0
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < xml.length) {
    const match = TOKEN.exec(xml)
    if (match === null) return false
    const [, closed, opened, attributes, selfClosed, text] = match
    if (closed !== undefined && open.pop() !== closed) return false
    if (text !== undefined && open.length === 0 && text.trim() !== '') return false
    if (opened === undefined) continue
    if (open.length === 0) roots++
    const names = [...(attributes ?? '').matchAll(/ ([A-Za-z:]+)=/g)].map(([, name]) => name)
    if (new Set(names).size !== names.length) return false
    if (selfClosed === '') open.push(opened)
  }
  return open.length === 0 && roots === 1
}
