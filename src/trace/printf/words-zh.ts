import type { IoQualification } from '../io-qualification.js';
import { characterOf, type StringIoFacts, stringIoFacts } from './facts.js';
import type { Words } from './words.js';

export const CHINESE: Words = {
  colon: '：',
  comma: '，',
  aside: (text) => `（${text}）`,
  title: '一次 printf 的生与死',
  summary: (byTrap) =>
    `从客户机环 3 中的 C 调用，到宿主机上的字符，再原路返回。${byTrap ? '在这种 KVM 上 SYSCALL 不离开环 3，故以 UD2 代替。' : ''}所有时间均为本次运行实测。`,
  host: '宿主机',
  modes: {
    nonRootRing3: { name: '非根模式，环 3', who: '客户机程序及其 C 库' },
    nonRootRing0: { name: '非根模式，环 0', who: '客户机内核' },
    rootRing0: { name: '根模式，环 0', who: '宿主机内核，KVM' },
    rootRing3: { name: '根模式，环 3', who: 'vmlaunch' },
    inside: { name: 'KVM_RUN 之内', who: '客户机与 KVM，无法区分' },
  },
  timesOfRun: '客户机整个运行',
  steps: {
    formats: ({ value }) => `printf：库把文本放入缓冲区，共 ${value} 字节`,
    flushes: ({ value }) => `行已结束：库刷新缓冲区中的 ${value} 字节`,
    syscall: ({ value }) => `write：库发出 ${value} 号系统调用`,
    kernelEntry: () => '进入客户机内核，查明所请求的系统调用',
    driverStarts: ({ value }) => `调用 UART 驱动程序，发送 ${value} 字节`,
    in: () => '驱动程序轮询：用 IN 读线路状态寄存器（LSR）',
    inCompletes: () => 'IN 完成：al 中是状态',
    polled: () => '发送器为空：驱动程序取下一个字节',
    out: ({ value }) => `用 OUT 把${value === undefined ? '字节' : ` ${characterOf(value)} `}写入 UART 数据寄存器`,
    outCompletes: () => 'OUT 完成',
    nextCharacter: () => '驱动程序继续',
    driverReturns: () => '驱动程序返回到内核的 write',
    sysret: ({ value }) => `内核向程序返回 ${value}`,
    libraryReturns: () => '库继续执行，printf 返回',
    kvmHandlesExit: () => 'KVM 没有此设备：KVM_RUN 以 KVM_EXIT_IO 返回',
    kvmKeepsExit: ({ exit }) =>
      exit?.reason === 'EPT_VIOLATION' || exit?.reason === 'npf'
        ? '首次访问的客户机内存页：KVM 为其建立映射'
        : 'KVM 自行处理',
    kvmEnters: () => 'KVM 完成该次访问，并进入客户机',
    accessToReturn: () => '访问离开客户机；KVM_RUN 以 KVM_EXIT_IO 返回',
    callToStamp: () => 'KVM 完成该次访问，客户机继续执行',
    toTypeScript: () => '返回 TypeScript：循环查看 kvm_run',
    device: () => '总线找到 UART：访问其寄存器',
    consoleRing: () => '字节进入控制台环形缓冲区；通知主线程',
    deviceReturns: () => 'UART 已发出该字节',
    toKvmRun: () => '循环再次调用 KVM_RUN',
    mainThread: () => '主线程等待更多输出，然后取走已到的字节',
    hostWrite: ({ value }) => `write(2) 写到标准输出：${value} 字节`,
  },
  resumed: '继续',
  crossings: {
    vmExit: 'VM 退出',
    vmEntry: 'VM 进入',
    intoKernel: 'SYSCALL',
    trapIntoKernel: '异常 #UD',
    outOfKernel: 'SYSRET',
    runReturns: 'KVM_RUN 返回',
    runCalled: 'ioctl KVM_RUN',
  },
  qualification: (io) => qualification(io),
  mainThread: '主线程，并行',
  rest: (characters, exits) => `其余 ${characters} 个字符同样如此，KVM_RUN 返回 ${exits} 次：`,
  wayBack: '返回之路',
  sum: (steps, span) => `各步合计 ${steps}；按客户机 TSC，从调用 printf 到其返回为 ${span}。`,
  clock: ({ source, tscOffset, lowNs, highNs, correctionNs, accesses, errorNs }, show) => {
    const bounds = `${accesses} 次端口访问的退出不可能早于其指令，客户机的继续也不可能早于 VM 进入，由此误差限于 ${show(lowNs)} … ${show(highNs)}`;
    const kvms = `时钟：KVM 称客户机 TSC = 宿主机 TSC + (${tscOffset})`;
    const missing = '时钟：KVM 不提供 TSC 偏移';
    if (source === 'kvm') return `${kvms}。${bounds}：相符，误差至多 ${show(errorNs)}。`;
    if (source === 'none')
      return `${tscOffset === undefined ? missing : kvms}。没有任何偏移与全部端口访问相符：客户机与宿主机的时间无法比较。`;
    return `${tscOffset === undefined ? missing : `${kvms}，但与实测不符`}。${bounds}：取其中点 ${show(correctionNs)}，误差至多 ${show(errorNs)}。`;
  },
  hardwareMissing: (why, flavour) =>
    `无法逐一显示 VM 退出与 VM 进入：${flavour === 'kvm_pvm' ? 'kvm_pvm 不向内核跟踪报告其退出' : why}。`,
  softwareHost: '此宿主机的处理器由软件模拟：其时间不代表任何硬件。',
  cold: '最初几次退出较慢，因为 V8 尚未编译；合计部分显示其后各次所需的时间。',
  variants: '打印这一行的四种方式',
  way: ({ buffering, io }) =>
    `${buffering === 'line' ? '行缓冲' : '无缓冲'}，${io === 'byte' ? '逐字节' : '字符串 I/O'}`,
  variantColumns: {
    source: '预期',
    exits: '退出',
    hardware: 'VM 退出',
    syscalls: '系统调用',
    in: 'IN',
    out: 'OUT',
    outExits: 'OUT 退出',
    time: '时间',
    ratio: '比值',
  },
  page: {
    processor: '处理器',
    printed: '输出',
    modes: '四种模式',
    mode: '模式',
    who: '运行者',
    chain: '从调用到宿主机，再返回',
    keys: '单击一步，或在其上按 Enter，即可展开。方向键在各步之间移动。',
    clock: '时间',
    footer:
      '由 vmlaunch 生成。术语依照 Intel SDM 第 3 卷：VMX 根操作与非根操作、VM 进入、VM 退出；在 AMD 上为宿主模式与客户机模式。',
    yes: '是',
    no: '否',
    facts: {
      duration: '时长',
      start: '调用之后',
      times: '次数',
      source: '源文件',
      line: '源代码行',
      instruction: '指令',
      registers: '寄存器',
      reason: '退出原因',
      qualification: '退出限定',
      vectoring: 'IDT 向量化信息',
      direction: '方向',
      size: '访问宽度',
      string: '字符串指令',
      operand: '操作数',
      immediate: '立即数',
      port: '端口',
      decodedBy: '解码依据',
      sdm: 'SDM 第 3 卷，“Exit Qualification for I/O Instructions”表',
      apm: 'APM 第 2 卷，“IOIO Intercept Information”',
      bytes: (count) => `${count} 字节`,
    },
  },
  variantNotes: (variants) => [
    '每种方式各运行一次：行缓冲或无缓冲，用 OUT 逐字节或用 OUTS 整串输出。预期：由源代码推算的整个客户机的退出次数；退出：KVM_RUN 的返回次数；VM 退出：还包括 KVM 自行处理的退出。其余各列只计这一行：系统调用、IN 指令、OUT 或 OUTS 指令、由它们引起的返回，以及从调用到返回的时间。',
    ...stringIoNotes(stringIoFacts(variants)),
  ],
};

function qualification({ write, size, string, rep, port, operand }: IoQualification): string {
  const name = `${rep ? 'REP ' : ''}${write ? 'OUT' : 'IN'}${string ? 'S' : ''}`;
  const from = operand === undefined ? '' : operand === 'dx' ? '（在 DX 中）' : '（立即数）';
  return `${name}，${size} 字节，端口 0x${port.toString(16)}${from}`;
}

function stringIoNotes({ instructions, exits, pollsSaved, keptIoExits }: StringIoFacts): string[] {
  const saves =
    exits > instructions
      ? `字符串 I/O 没有减少 OUT 引起的退出：${instructions} 条 OUTS 指令引起 ${exits} 次退出，每字节一次。OUTS 要读内存，所以由 KVM 的模拟器执行，而它逐个元素地交出。`
      : `字符串 I/O 在此减少了 OUT 引起的退出：${instructions} 条 OUTS 指令引起 ${exits} 次。`;
  const kept =
    keptIoExits === null || keptIoExits === 0
      ? ''
      : `此外还多出 ${keptIoExits} 次由 KVM 自行处理的 VM 退出：元素用完之后，REP OUTS 还要再执行一次。`;
  const polls = pollsSaved > 0 ? `真正省下的是 ${pollsSaved} 条 IN：驱动程序每 16 字节的 FIFO 只轮询一次。` : '';
  return [`${saves}${kept}${polls}`, BUFFERING];
}

const BUFFERING = '缓冲减少的是系统调用，而不是退出：SYSCALL 与 SYSRET 都在客户机之内。';
