// The sample apps that `npm start` installs, mounted together below /app.
import type { App } from '../../protocols/app.ts'
import { bank } from './bank.ts'
import { logging } from './logging.ts'
import { transparency } from './transparency.ts'

export const sampleApps: readonly App[] = [logging, transparency, bank]
