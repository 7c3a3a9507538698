import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * levels.c in Java: the same parts, asked and answered by the same lines. Two things differ. A part runs once before it is
 * timed, so that it is compiled by then. And Java has no getppid: its system call is lseek, made by
 * FileChannel.position(), which asks the kernel each time.
 */
public final class Levels {
  private static final int FIRST = 1;
  private static final int BLOCK_BYTES = 4096;
  private static final int FILE_BLOCKS = 256;

  private interface Part {
    int run(int count) throws IOException;
  }

  private static FileChannel file;

  public static void main(String[] arguments) throws IOException {
    var input = new BufferedReader(new InputStreamReader(System.in));
    file = openFile(Path.of(arguments[0]));
    System.out.println("levels 1");
    for (String line = input.readLine(); line != null; line = input.readLine()) answer(line.split(" "));
    System.out.println("end");
  }

  private static void answer(String[] words) {
    String name = words[0];
    int count = Integer.parseInt(words[1]);
    Part part = switch (name) {
      case "cpu" -> Levels::compute;
      case "calls" -> Levels::makeSystemCalls;
      default -> Levels::writeBlocks;
    };
    try {
      part.run(count);
      System.out.println("begin " + name + " " + count);
      long start = System.nanoTime();
      int checksum = part.run(count);
      long end = System.nanoTime();
      if (name.equals("files")) checksum = readBlocks(count);
      System.out.println(String.format("%s %d %08x %d %d", name, count, checksum, end - start, end));
    } catch (IOException error) {
      System.out.println(name + " failed " + error);
    }
  }

  private static int mix(int sum, int value) {
    return sum * 31 + value;
  }

  private static int compute(int count) {
    int x = FIRST;
    int sum = 0;
    for (int i = 0; i < count; i++) {
      x = x * 1664525 + 1013904223;
      x ^= x >>> 13;
      sum = mix(sum, Integer.divideUnsigned(x, (i & 0xff) + 3));
    }
    return sum ^ x;
  }

  private static int makeSystemCalls(int count) throws IOException {
    try (var channel = FileChannel.open(Path.of("/dev/null"), StandardOpenOption.READ)) {
      int sum = FIRST;
      for (int i = 0; i < count; i++) sum = mix(sum, channel.position() == 0 ? 1 : 0);
      return sum;
    }
  }

  /** Its name is gone at once, so that nothing of it is left however the program ends. */
  private static FileChannel openFile(Path directory) throws IOException {
    String type = Files.getFileStore(directory).type();
    if (!type.equals("tmpfs")) throw new IOException("the directory is on no tmpfs");
    Path path = directory.resolve("levels-java-" + ProcessHandle.current().pid());
    var options = new StandardOpenOption[] {
      StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE
    };
    var channel = FileChannel.open(path, options);
    Files.delete(path);
    return channel;
  }

  private static ByteBuffer newBlock() {
    return ByteBuffer.allocateDirect(BLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static long offsetOf(int i) {
    return (long) (i % FILE_BLOCKS) * BLOCK_BYTES;
  }

  private static int writeBlocks(int count) throws IOException {
    ByteBuffer block = newBlock();
    for (int word = 0; word < BLOCK_BYTES / 4; word++) block.putInt(4 * word, word);
    for (int i = 0; i < count; i++) {
      block.putInt(0, i);
      if (file.write(block.clear(), offsetOf(i)) != BLOCK_BYTES) throw new IOException("a block was not written");
    }
    return 0;
  }

  private static int readBlocks(int count) throws IOException {
    ByteBuffer block = newBlock();
    int sum = FIRST;
    for (int i = 0; i < Math.min(count, FILE_BLOCKS); i++) {
      if (file.read(block.clear(), offsetOf(i)) != BLOCK_BYTES) throw new IOException("a block was not read");
      for (int word = 0; word < BLOCK_BYTES / 4; word++) sum = mix(sum, block.getInt(4 * word));
    }
    return sum;
  }
}
