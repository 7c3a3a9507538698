/** What a program of this directory prints when its guest runs and it waits for a signal. */
export const READY = 'the guest runs\n';
