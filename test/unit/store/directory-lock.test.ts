// Goal: one process per data directory, however it is named, however the holder ends; and the refusal says who holds it.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DirectoryLockedError, lockDirectory } from '../../../store/directory-lock.ts'
import { bundle } from './bundle.ts'

const KINDS = process.platform === 'linux' ? (['socket', 'file'] as const) : (['file'] as const)

describe.each(KINDS)('directory lock by %s', (kind) => {
  let parent: string
  let directory: string
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'concordat-lock-'))
    directory = join(parent, 'data')
    mkdirSync(directory)
  })
  afterEach(() => rmSync(parent, { recursive: true, force: true }))

  it('is taken once, under whatever name, and again after release', async () => {
    const lock = await lockDirectory(directory, kind)
    symlinkSync(directory, join(parent, 'alias'))
    for (const name of [directory, join(parent, 'alias'), join(directory, '..', 'data')]) {
      await expect(lockDirectory(name, kind)).rejects.toThrow(DirectoryLockedError)
      await expect(lockDirectory(name, kind)).rejects.toThrow(
        `data is in use by process ${process.pid}; one node per data directory`,
      )
    }
    const other = await lockDirectory(parent, kind)
    await lock.release()
    await lock.release()
    const again = await lockDirectory(directory, kind)
    await again.release()
    await other.release()
  })

  it('fails plainly on a directory that is not there', async () => {
    await expect(lockDirectory(join(parent, 'missing'), kind)).rejects.toThrow('ENOENT')
  })

  it('is held by another process until that is killed', async () => {
    const script = await bundle('test/unit/store/lock-child.ts', `lock-child-${kind}`)
    const child = spawn(process.execPath, [script, directory, kind], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await new Promise((resolve, reject) => child.stdout.once('data', resolve).once('close', reject))
      await expect(lockDirectory(directory, kind)).rejects.toThrow(`in use by process ${child.pid}`)
      const gone = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGKILL')
      await gone
      const lock = await lockDirectory(directory, kind)
      await lock.release()
    } finally {
      child.kill('SIGKILL')
      rmSync(script)
    }
  })
})

it('does not trust a lock file that names nobody', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'concordat-lock-'))
  try {
    writeFileSync(join(directory, 'concordat.lock'), 'rubbish')
    await expect(lockDirectory(directory, 'file')).rejects.toThrow('in use by another process')
    expect(existsSync(join(directory, 'concordat.lock'))).toBe(true)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
