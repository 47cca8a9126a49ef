// Goal: a snapshot file is there whole or not at all, whenever the power fails and whatever the disk refuses; names of files are never paths.
// Method: a save on the memory disk; at each change, every state (or a drawn share of them) that a power failure may leave.
import { describe, expect, it } from 'vitest'
import { Prng } from '../../../runtime/prng.ts'
import type { StorageFailureKind } from '../../../store/ledger/files.ts'
import { type DiskHistory, type FileOperation, MemoryFiles } from '../../../store/ledger/memory-files.ts'
import { SnapshotFiles } from '../../../store/snapshots/snapshot-files.ts'
import { drawn, exhaust } from '../../durability/choices.ts'

const DIRECTORY = '/snapshots'
const KEEP = 2
const nameOf = (seqno: number): string => `snapshot_${seqno}_${seqno + 1}.committed`
/** More than one write of 1 MiB, and not a multiple of a sector. */
const LARGE = new Prng(1).bytes(1024 * 1024 + 700)
const SMALL = new Prng(2).bytes(700)

class Disk {
  readonly tasks: (() => void)[] = []
  readonly histories: DiskHistory[] = []
  readonly files: MemoryFiles = new MemoryFiles({
    seed: 1,
    defer: (task) => void this.tasks.push(task),
    onChange: () => void this.histories.push(this.files.history()),
  })

  open(neededSeqno = 0): SnapshotFiles {
    return new SnapshotFiles({ directory: DIRECTORY, neededSeqno: () => neededSeqno, files: this.files })
  }

  /** The outcome: undefined when it is there. */
  save(snapshots: SnapshotFiles, seqno: number, bytes: Uint8Array): string | undefined {
    const outcomes: (string | undefined)[] = []
    snapshots.save(nameOf(seqno), bytes, KEEP, (error) => outcomes.push(error?.message))
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task()
    expect(outcomes).toHaveLength(1)
    return outcomes[0]
  }
}

const names = (snapshots: SnapshotFiles): string[] => snapshots.list().map(({ fileName }) => fileName)
const nothing = (): void => undefined

describe('a power failure', () => {
  it.each([
    ['small', SMALL],
    ['large', LARGE],
  ])('during the save of a %s snapshot leaves it whole or not at all', (_, bytes) => {
    const disk = new Disk()
    const snapshots = disk.open()
    expect(disk.save(snapshots, 10, SMALL)).toBeUndefined()
    disk.histories.length = 0
    expect(disk.save(snapshots, 20, bytes)).toBeUndefined()
    expect(disk.histories.length).toBeGreaterThan(3)
    const seen = new Set<string>()
    const prng = new Prng(3)
    const check = (history: DiskHistory, choose: Parameters<MemoryFiles['crashTo']>[1]): void => {
      const files = new MemoryFiles({ seed: 1, defer: nothing })
      files.crashTo(history, choose)
      const after = new SnapshotFiles({ directory: DIRECTORY, neededSeqno: () => 0, files })
      expect(files.readdir(DIRECTORY).filter((name) => !name.endsWith('.committed'))).toEqual([])
      expect(names(after)).toContain(nameOf(10))
      for (const { fileName, sizeBytes } of after.list()) {
        const content = fileName === nameOf(10) ? SMALL : bytes
        expect(Buffer.compare(after.read(fileName, 0, sizeBytes)!, content)).toBe(0)
      }
      seen.add(`${names(after).length} there, ${after.removed.length} removed`)
    }
    for (const history of disk.histories) {
      exhaust(bytes === SMALL ? 200 : 3, (choose) => check(history, choose))
      for (let i = 0; i < (bytes === SMALL ? 20 : 3); i++) check(history, drawn(prng))
    }
    // After the last synchronisation it is there whatever happens.
    check(disk.histories.at(-1)!, () => 0)
    expect([...seen].sort()).toEqual(['1 there, 0 removed', '1 there, 1 removed', '2 there, 0 removed'])
  })
})

describe('a disk that refuses', () => {
  it.each<[FileOperation, StorageFailureKind, number]>([
    ['open', 'full', 0],
    ['write', 'full', 0],
    ['write', 'io', 1],
    ['datasync', 'io', 0],
    ['rename', 'io', 0],
    ['rename', 'readonly', 0],
  ])('%s (%s, after %i others) is said, and leaves nothing behind', (operation, kind, skip) => {
    const disk = new Disk()
    const snapshots = disk.open()
    disk.save(snapshots, 10, SMALL)
    disk.files.failNext(operation, kind, skip)
    expect(disk.save(snapshots, 20, LARGE)).toMatch(operation)
    expect(disk.files.hasFailuresLeft).toBe(false)
    expect(disk.files.readdir(DIRECTORY)).toEqual([nameOf(10)])
    // The next one is not hindered.
    expect(disk.save(snapshots, 20, LARGE)).toBeUndefined()
    expect(names(snapshots)).toEqual([nameOf(10), nameOf(20)])
  })

  it('of space, by being full, is said too', () => {
    const disk = new Disk()
    const snapshots = disk.open()
    disk.files.capacityBytes = 1024 * 1024 + 100
    expect(disk.save(snapshots, 10, LARGE)).toMatch(/ENOSPC|full/)
    expect(disk.files.readdir(DIRECTORY)).toEqual([])
  })

  it('to synchronise the name is said; the file is whole if it stays', () => {
    const disk = new Disk()
    const snapshots = disk.open()
    disk.files.failNext('syncDirectory', 'io')
    expect(disk.save(snapshots, 10, SMALL)).toMatch('syncDirectory')
    for (const { fileName, sizeBytes } of snapshots.list()) {
      expect(snapshots.read(fileName, 0, sizeBytes)).toEqual(SMALL)
    }
  })

  it('to remove an old one hinders nothing, and it is removed after the next', () => {
    const disk = new Disk()
    const snapshots = disk.open()
    for (const seqno of [10, 20]) disk.save(snapshots, seqno, SMALL)
    disk.files.failNext('unlink', 'io')
    expect(disk.save(snapshots, 30, SMALL)).toBeUndefined()
    expect(names(snapshots)).toHaveLength(KEEP + 1)
    disk.save(snapshots, 40, SMALL)
    expect(names(snapshots)).toEqual([nameOf(30), nameOf(40)])
  })
})

describe('snapshot files', () => {
  it('keep the newest, and the one that the ledger begins after', () => {
    const disk = new Disk()
    const snapshots = disk.open(10)
    for (const seqno of [10, 20, 30, 40]) disk.save(snapshots, seqno, SMALL)
    expect(names(snapshots)).toEqual([nameOf(10), nameOf(30), nameOf(40)])
  })

  it('are not overwritten: what had the name is set aside', () => {
    const disk = new Disk()
    const snapshots = disk.open()
    disk.save(snapshots, 10, SMALL)
    expect(disk.save(snapshots, 10, LARGE)).toBeUndefined()
    expect(disk.files.readdir(DIRECTORY).sort()).toEqual([nameOf(10), `${nameOf(10)}.ignored`])
    expect(disk.files.contentOf(`${DIRECTORY}/${nameOf(10)}.ignored`)).toEqual(SMALL)
  })

  it('are read by name and in pieces, and nothing else is', () => {
    const disk = new Disk()
    const snapshots = disk.open()
    disk.save(snapshots, 10, SMALL)
    expect(snapshots.read(nameOf(10), 690, 100)).toEqual(SMALL.subarray(690))
    for (const name of ['../secret', nameOf(20), 'snapshot_10_11', `x/${nameOf(10)}`]) {
      expect(snapshots.read(name, 0, 10)).toBeUndefined()
    }
  })
})
