#!/usr/bin/env node
/** The command as it is installed: `bin.ts`, bundled. */
import { requireBundle } from '../code-cache.js';

requireBundle('./command.cjs', import.meta.url);
