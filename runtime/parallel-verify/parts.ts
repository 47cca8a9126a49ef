// Cuts the files of a ledger into parts of a few megabytes, so that one large chunk keeps several threads busy.
// The rule to remember: parts of a file are neighbours in its positions table, so together they are the whole file.
import { committedEntryCount } from '../../store/ledger/chunk-entries.ts'
import { realFiles } from '../../store/ledger/real-files.ts'
import type { AuditedFile } from '../verify-ledger.ts'
import type { ReadPart } from './messages.ts'

const PART_BYTES = 4 * 1024 * 1024

export interface FilePart {
  readonly file: AuditedFile
  readonly fileBytes: number
  readonly isFirst: boolean
  readonly isLast: boolean
  readonly request: ReadPart
}

/** @throws StorageError; CorruptDataError when a committed file's table cannot be where it says */
export function partsOf(files: readonly AuditedFile[], wholeUpTo: number): readonly FilePart[] {
  const parts: FilePart[] = []
  for (const audited of files) {
    const { path, isCommitted, first } = audited
    const file = realFiles.open(path, 'read')
    try {
      const fileBytes = file.size()
      const ranges = isCommitted ? rangesOf(committedEntryCount(file), fileBytes) : [undefined]
      ranges.forEach((range, i) => {
        const firstSeqno = first + (range?.from ?? 0)
        const request = { type: 'read', part: parts.length, path, isCommitted, range, firstSeqno, wholeUpTo } as const
        parts.push({ file: audited, fileBytes, isFirst: i === 0, isLast: i === ranges.length - 1, request })
      })
    } finally {
      file.close()
    }
  }
  return parts
}

function rangesOf(count: number, fileBytes: number): { readonly from: number; readonly to: number }[] {
  const parts = Math.max(1, Math.min(count, Math.ceil(fileBytes / PART_BYTES)))
  const at = (part: number): number => Math.floor((count * part) / parts)
  return Array.from({ length: parts }, (_, part) => ({ from: at(part), to: at(part + 1) }))
}
