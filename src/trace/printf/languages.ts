import type { Words } from './words.js';
import { ENGLISH } from './words-en.js';
import { CHINESE } from './words-zh.js';

export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

const WORDS: Readonly<Record<Language, Words>> = { en: ENGLISH, zh: CHINESE };

export const wordsOf = (language: Language): Words => WORDS[language];
