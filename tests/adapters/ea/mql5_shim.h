// Enough of MQL5 to compile the expert advisor as C++: types, texts, arrays, time, files, hashing,
// and sockets with TLS. The account and the market are in fake_terminal.h. Where MQL5 takes a
// parameter by reference without const, so does this: what MetaEditor would refuse for that reason
// is refused here too.
#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#ifndef input
#define input static const
#endif

using uchar = unsigned char;
using datetime = long;

// Texts: UTF-16 inside, as in MQL5.

class string {
 public:
  std::u16string units;
  string() = default;
  string(const char *utf8) { take(utf8, std::strlen(utf8)); }
  explicit string(const std::string &utf8) { take(utf8.data(), utf8.size()); }
  std::string utf8() const;
  string &operator+=(const string &other) {
    units += other.units;
    return *this;
  }
  bool operator==(const string &other) const { return units == other.units; }
  bool operator!=(const string &other) const { return units != other.units; }

 private:
  void take(const char *bytes, size_t size);
};

inline void string::take(const char *bytes, size_t size) {
  for (size_t i = 0; i < size;) {
    unsigned char lead = bytes[i];
    int more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    unsigned code = more == 0 ? lead : lead & (0x3F >> more);
    for (int k = 1; k <= more && i + k < size; k++) code = code << 6 | (bytes[i + k] & 0x3F);
    i += more + 1;
    if (code >= 0x10000) {
      units += char16_t(0xD800 + ((code - 0x10000) >> 10));
      units += char16_t(0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      units += char16_t(code);
    }
  }
}

inline std::string string::utf8() const {
  std::string out;
  for (char16_t unit : units) {
    if (unit < 0x80) {
      out += char(unit);
    } else if (unit < 0x800) {
      out += char(0xC0 | unit >> 6);
      out += char(0x80 | (unit & 0x3F));
    } else {
      out += char(0xE0 | unit >> 12);
      out += char(0x80 | (unit >> 6 & 0x3F));
      out += char(0x80 | (unit & 0x3F));
    }
  }
  return out;
}

inline string operator+(string left, const string &right) { return left += right; }

inline int StringLen(const string text) { return int(text.units.size()); }
inline ushort StringGetCharacter(const string text, int at) {
  return at >= 0 && size_t(at) < text.units.size() ? ushort(text.units[at]) : 0;
}
inline string StringSubstr(const string text, int start, int length = -1) {
  string out;
  if (start >= 0 && size_t(start) < text.units.size())
    out.units = text.units.substr(start, length < 0 ? std::u16string::npos : size_t(length));
  return out;
}
inline string ShortToString(ushort unit) {
  string out;
  out.units += char16_t(unit);
  return out;
}
inline string IntegerToString(long number) { return string(std::to_string(number)); }
inline long StringToInteger(const string text) { return std::strtoll(text.utf8().c_str(), nullptr, 10); }
inline double StringToDouble(const string text) { return std::strtod(text.utf8().c_str(), nullptr); }
template <class... Values>
string StringFormat(const char *format, Values... values) {
  char out[256];
  std::snprintf(out, sizeof out, format, values...);
  return string(out);
}
inline bool StringToUpper(string &text) {
  for (char16_t &unit : text.units)
    if (unit >= 'a' && unit <= 'z') unit -= 32;
  return true;
}
inline int StringTrimLeft(string &text) {
  size_t at = text.units.find_first_not_of(u" \t\r\n");
  text.units.erase(0, at);
  return 0;
}
inline int StringTrimRight(string &text) {
  text.units.erase(text.units.find_last_not_of(u" \t\r\n") + 1);
  return 0;
}

// Arrays: `T name[]` of the source is translated to `array<T> name`. An index out of range ends
// an MQL5 program; here too.

template <class T>
class array {
 public:
  std::vector<T> items;
  T &operator[](long at) { return items[checked(at)]; }
  const T &operator[](long at) const { return items[checked(at)]; }

 private:
  size_t checked(long at) const {
    if (at < 0 || size_t(at) >= items.size()) {
      std::fprintf(stderr, "array out of range: %ld of %zu\n", at, items.size());
      std::abort();
    }
    return size_t(at);
  }
};

template <>
class array<bool>;  // not used; std::vector<bool> would not do

template <class T>
int ArraySize(const array<T> &held) {
  return int(held.items.size());
}
template <class T>
int ArrayResize(array<T> &held, int size, int = 0) {
  held.items.resize(size_t(size));
  return size;
}
template <class T>
int ArrayCopy(array<T> &to, const array<T> &from, int to_start = 0, int from_start = 0,
              int count = INT_MAX) {
  int left = ArraySize(from) - from_start;
  int copied = count < left ? count : left;
  if (copied <= 0) return 0;
  if (ArraySize(to) < to_start + copied) ArrayResize(to, to_start + copied);
  for (int i = 0; i < copied; i++) to[to_start + i] = from[from_start + i];
  return copied;
}
template <class T>
void ZeroMemory(T &value) {
  value = T();
}

#define CP_UTF8 65001u
inline int StringToCharArray(const string text, array<uchar> &out, int start, int count,
                             unsigned) {
  std::string bytes = text.utf8();
  if (int(bytes.size()) > count) bytes.resize(size_t(count));
  ArrayResize(out, start + int(bytes.size()));
  for (size_t i = 0; i < bytes.size(); i++) out[start + long(i)] = uchar(bytes[i]);
  return int(bytes.size());
}
inline string CharArrayToString(const array<uchar> &bytes, int start, int count, unsigned) {
  std::string text;
  for (int i = 0; i < count; i++) text += char(bytes[start + i]);
  return string(text);
}
inline int StringSplit(const string text, ushort separator, array<string> &out) {
  out.items.assign(1, string());
  if (text.units.empty()) {
    out.items.clear();
    return 0;
  }
  for (char16_t unit : text.units)
    if (unit == separator)
      out.items.push_back(string());
    else
      out.items.back().units += unit;
  return ArraySize(out);
}

// Numbers

template <class A, class B>
auto MathMax(A a, B b) -> std::common_type_t<A, B> {
  return a > b ? a : b;
}
template <class A, class B>
auto MathMin(A a, B b) -> std::common_type_t<A, B> {
  return a < b ? a : b;
}
inline double MathFloor(double x) { return std::floor(x); }
inline bool MathIsValidNumber(double x) { return std::isfinite(x); }
inline void MathSrand(int seed) { std::srand(unsigned(seed)); }
inline int MathRand() { return std::rand() & 0x7FFF; }

// Printing: one line each on the output, which the tests read.

inline std::string Printed(const string &text) { return text.utf8(); }
inline std::string Printed(const char *text) { return text; }
template <class T>
std::string Printed(T number) {
  return std::to_string(number);
}
template <class... Values>
void Print(Values... values) {
  std::string line;
  ((line += Printed(values)), ...);
  std::printf("print %s\n", line.c_str());
  std::fflush(stdout);
}
template <class... Values>
void Alert(Values... values) {
  Print("ALERT ", values...);
}
inline void Comment(const string text) {
  std::string line = text.utf8();
  for (char &byte : line)
    if (byte == '\n') byte = ' ';
  std::printf("comment %s\n", line.c_str());
  std::fflush(stdout);
}

// Time. `server_offset_s` and `gmt_error_ms` are for the tests to set.

inline long server_offset_s = 7200;
inline long GmtNowMs() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}
inline datetime TimeGMT() { return GmtNowMs() / 1000; }
inline datetime TimeLocal() { return TimeGMT(); }
inline datetime TimeTradeServer() { return TimeGMT() + server_offset_s; }
inline ulong GetMicrosecondCount() {
  using namespace std::chrono;
  return ulong(duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
}
// HASTE: the tick counter, and with it every pause, runs so many times as fast.
inline ulong GetTickCount64() {
  static const char *haste = std::getenv("HASTE");
  return GetMicrosecondCount() * ulong(haste ? std::atoi(haste) : 1) / 1000;
}

// Errors

inline int last_error = 0;
inline void ResetLastError() { last_error = 0; }
inline int GetLastError() { return last_error; }

// Files: below FILES_DIR; one writer at a time, as without a share flag in a terminal.

#define INVALID_HANDLE -1
enum { FILE_READ = 1, FILE_WRITE = 2, FILE_BIN = 4, FILE_TXT = 16, FILE_ANSI = 32 };
#define FILE_REWRITE 512
enum ENUM_FILE_POSITION { SEEK_FROM_START, SEEK_FROM_HERE, SEEK_FROM_END };
#undef SEEK_END
#define SEEK_END SEEK_FROM_END

inline std::map<int, FILE *> open_files;
inline bool disk_full = false;

inline std::string PathOf(const string name) {
  const char *folder = std::getenv("FILES_DIR");
  std::string path = std::string(folder ? folder : ".") + "/" + name.utf8();
  for (char &byte : path)
    if (byte == '\\') byte = '/';
  return path;
}
inline int FileOpen(const string name, int flags) {
  std::string path = PathOf(name);
  if (flags & FILE_WRITE) mkdir(path.substr(0, path.rfind('/')).c_str(), 0700);
  int mode = flags & FILE_WRITE ? O_RDWR | O_CREAT : O_RDONLY;
  if ((flags & (FILE_READ | FILE_WRITE)) == FILE_WRITE) mode |= O_TRUNC;
  int number = open(path.c_str(), mode, 0600);
  if (number < 0 || flock(number, LOCK_EX | LOCK_NB) != 0) {
    if (number >= 0) close(number);
    last_error = 5004;
    return INVALID_HANDLE;
  }
  open_files[number] = fdopen(number, flags & FILE_WRITE ? "r+" : "r");
  return number;
}
inline void FileClose(int handle) {
  std::fclose(open_files.at(handle));
  open_files.erase(handle);
}
inline bool FileIsEnding(int handle) {
  FILE *file = open_files.at(handle);
  int byte = std::fgetc(file);
  if (byte == EOF) return true;
  std::ungetc(byte, file);
  return false;
}
inline string FileReadString(int handle) {
  std::string line;
  for (int byte; (byte = std::fgetc(open_files.at(handle))) != EOF && byte != '\n';)
    line += char(byte);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return string(line);
}
inline uint FileWriteString(int handle, const string text) {
  if (disk_full) return 0;
  std::string bytes = text.utf8();
  return uint(std::fwrite(bytes.data(), 1, bytes.size(), open_files.at(handle)));
}
inline void FileFlush(int handle) { std::fflush(open_files.at(handle)); }
inline bool FileSeek(int handle, long offset, ENUM_FILE_POSITION origin) {
  int whence = origin == SEEK_FROM_START ? 0 : origin == SEEK_FROM_HERE ? 1 : 2;
  return std::fseek(open_files.at(handle), offset, whence) == 0;
}
inline bool FileMove(const string from, int, const string to, int) {
  return std::rename(PathOf(from).c_str(), PathOf(to).c_str()) == 0;
}

// Hashing

enum ENUM_CRYPT_METHOD { CRYPT_HASH_SHA256 };
inline int CryptEncode(ENUM_CRYPT_METHOD, const array<uchar> &bytes, const array<uchar> &,
                       array<uchar> &out) {
  unsigned size = 32;
  ArrayResize(out, 32);
  EVP_Digest(bytes.items.data(), bytes.items.size(), &out[0], &size, EVP_sha256(), nullptr);
  return int(size);
}

// Sockets. PORT_443 is where connections to port 443 really go. CA_FILE is the terminal's
// certificate store; without it every certificate is taken, and the pin alone decides.

struct Wire {
  int number = -1;
  SSL *tls = nullptr;
  bool alive = false;
};
inline std::map<int, Wire> wires;
inline int next_wire = 1;

inline SSL_CTX *ClientContext() {
  static SSL_CTX *context = [] {
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
    if (const char *authority = std::getenv("CA_FILE")) {
      SSL_CTX_load_verify_locations(made, authority, nullptr);
      SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
    }
    return made;
  }();
  return context;
}
inline int SocketCreate(uint = 0) {
  wires[next_wire] = Wire();
  return next_wire++;
}
inline bool SocketTimeouts(int, uint, uint) { return true; }
inline void SocketClose(int socket) {
  Wire wire = wires.at(socket);
  wires.erase(socket);
  if (wire.tls) {
    SSL_shutdown(wire.tls);
    SSL_free(wire.tls);
  }
  if (wire.number >= 0) close(wire.number);
}
inline bool Handshake(Wire &wire) {
  if (wire.tls) std::abort();  // a terminal would answer with an error
  wire.tls = SSL_new(ClientContext());
  SSL_set_fd(wire.tls, wire.number);
  if (SSL_connect(wire.tls) != 1) {
    last_error = 5274;
    wire.alive = false;
    return false;
  }
  fcntl(wire.number, F_SETFL, O_NONBLOCK);
  std::printf("tls\n");
  return true;
}
inline bool SocketConnect(int socket, const string host, uint port, uint) {
  Wire &wire = wires.at(socket);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *found = nullptr;
  const char *elsewhere = port == 443 ? std::getenv("PORT_443") : nullptr;
  std::string service = elsewhere ? elsewhere : std::to_string(port);
  if (getaddrinfo(host.utf8().c_str(), service.c_str(), &hints, &found) != 0) {
    last_error = 5272;
    return false;
  }
  wire.number = ::socket(found->ai_family, found->ai_socktype, 0);
  wire.alive = connect(wire.number, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  std::printf("connect %s:%u %s\n", host.utf8().c_str(), port, wire.alive ? "ok" : "failed");
  std::fflush(stdout);
  if (!wire.alive) last_error = 5272;
  return wire.alive && (port != 443 || Handshake(wire));
}
inline bool SocketTlsHandshake(int socket, const string) { return Handshake(wires.at(socket)); }
inline bool SocketTlsCertificate(int socket, string &subject, string &issuer, string &serial,
                                 string &thumbprint, datetime &expiration) {
  Wire &wire = wires.at(socket);
  if (!wire.tls) return false;
  X509 *certificate = SSL_get1_peer_certificate(wire.tls);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(certificate, EVP_sha1(), digest, &size);
  X509_free(certificate);
  char hex[3];
  std::string text;
  for (unsigned i = 0; i < size; i++) {
    std::snprintf(hex, sizeof hex, "%02x", digest[i]);
    text += hex;
  }
  subject = issuer = serial = string();
  thumbprint = string(text);
  expiration = 0;
  return true;
}
inline bool SocketIsConnected(int socket) { return wires.at(socket).alive; }
inline int SocketTlsReadAvailable(int socket, array<uchar> &out, const uint size) {
  Wire &wire = wires.at(socket);
  ArrayResize(out, int(size));
  int got = wire.tls ? SSL_read(wire.tls, &out[0], int(size)) : -1;
  if (got > 0) {
    ArrayResize(out, got);
    return got;
  }
  ArrayResize(out, 0);
  int why = wire.tls ? SSL_get_error(wire.tls, got) : SSL_ERROR_SYSCALL;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
  wire.alive = false;
  last_error = 5273;
  return -1;
}
inline int SocketTlsSend(int socket, const array<uchar> &bytes, uint size) {
  Wire &wire = wires.at(socket);
  for (;;) {
    int sent = wire.tls && wire.alive ? SSL_write(wire.tls, bytes.items.data(), int(size)) : -1;
    if (sent > 0) return sent;
    int why = wire.tls && wire.alive ? SSL_get_error(wire.tls, sent) : SSL_ERROR_SYSCALL;
    pollfd ready{wire.number, POLLOUT, 0};
    if (why == SSL_ERROR_WANT_WRITE && poll(&ready, 1, 2000) == 1) continue;
    wire.alive = false;
    last_error = 5273;
    return -1;
  }
}
