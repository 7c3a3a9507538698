import { testFlavour } from './test-flavour.js';

await testFlavour('vtx');
