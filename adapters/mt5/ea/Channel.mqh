// The bytes of the link: a socket with TLS and a pinned certificate, lines out and lines in.
#ifndef TIDEGATE_CHANNEL
#define TIDEGATE_CHANNEL

#include "Hmac.mqh"

#define CHANNEL_MAX_LINE 65536
#define CHANNEL_READ_BYTES 65536
#define CHANNEL_CONNECT_MS 2000

class Channel
  {
private:
   int               m_socket;
   string            m_host;
   string            m_pins[];
   uchar             m_incoming[];
   int               m_consumed;

   static string     HexOnly(const string text)
     {
      string digits = "";
      for(int i = 0; i < StringLen(text); i++)
         if(JsonHexDigit((int)StringGetCharacter(text, i)) >= 0)
            digits += StringSubstr(text, i, 1);
      StringToUpper(digits);
      return digits;
     }

   bool              IsPinned()
     {
      string subject = "";
      string issuer = "";
      string serial = "";
      string thumbprint = "";
      datetime expiration = 0;
      if(!SocketTlsCertificate(m_socket, subject, issuer, serial, thumbprint, expiration))
         return false;
      string found = HexOnly(thumbprint);
      for(int i = 0; i < ArraySize(m_pins); i++)
         if(m_pins[i] == found)
            return true;
      Print("Tidegate: ", m_host, " shows a certificate that is not pinned: ", found);
      return false;
     }

public:
                     Channel()
     {
      m_socket = INVALID_HANDLE;
      m_host = "";
      m_consumed = 0;
     }

   string            Host() { return m_host; }

   // What is wrong with these thumbprints, by commas; empty where nothing is.
   string            Pin(const string pins)
     {
      ArrayResize(m_pins, 0);
      string parts[];
      int count = StringSplit(pins, ',', parts);
      for(int i = 0; i < count; i++)
        {
         string pin = HexOnly(parts[i]);
         if(StringLen(pin) != 40 && StringLen(pin) != 64)
            return "Thumbprints: 40 or 64 hex digits each";
         ArrayResize(m_pins, i + 1);
         m_pins[i] = pin;
        }
      return count > 0 ? "" : "Thumbprints: empty; the engine's certificate must be pinned";
     }

   // Why there is no connection that could be spoken on; empty where there is. Waits for it.
   string            Open(const string host, const int port)
     {
      m_host = host;
      ArrayResize(m_incoming, 0, CHANNEL_MAX_LINE);
      m_consumed = 0;
      m_socket = SocketCreate();
      if(m_socket == INVALID_HANDLE)
         return "no socket to be had";
      SocketTimeouts(m_socket, CHANNEL_CONNECT_MS, CHANNEL_CONNECT_MS);
      // 4014: the address is not in the list of allowed ones.
      if(!SocketConnect(m_socket, m_host, (uint)port, CHANNEL_CONNECT_MS))
         return "no connection, error " + IntegerToString(GetLastError());
      // On port 443 the terminal has negotiated TLS already.
      if(port != 443 && !SocketTlsHandshake(m_socket, m_host))
         return "no TLS, error " + IntegerToString(GetLastError());
      return IsPinned() ? "" : "the certificate cannot be accepted";
     }

   void              Close()
     {
      if(m_socket != INVALID_HANDLE)
         SocketClose(m_socket);
      m_socket = INVALID_HANDLE;
     }

   // Bytes out, all of them or none counts.
   bool              Write(const string line)
     {
      uchar bytes[];
      BytesOf(line + "\n", bytes);
      int size = ArraySize(bytes);
      int sent = SocketTlsSend(m_socket, bytes, (uint)size);
      while(sent > 0 && sent < size)
        {
         uchar rest[];
         ArrayCopy(rest, bytes, 0, sent, size - sent);
         int more = SocketTlsSend(m_socket, rest, (uint)(size - sent));
         sent = more > 0 ? sent + more : -1;
        }
      return sent == size;
     }

   // How many bytes have come; 0 where there are none, less where none will come any more.
   int               Read()
     {
      uchar chunk[];
      int size = SocketTlsReadAvailable(m_socket, chunk, CHANNEL_READ_BYTES);
      if(size > 0)
        {
         ArrayCopy(m_incoming, chunk, ArraySize(m_incoming), 0, size);
         return size;
        }
      return SocketIsConnected(m_socket) ? 0 : -1;
     }

   // 1 and the next line, 0 where it has not come whole, -1 where it is longer than a line may be.
   int               NextLine(string &line)
     {
      int size = ArraySize(m_incoming);
      int end = m_consumed;
      while(end < size && m_incoming[end] != '\n')
         end++;
      if(end - m_consumed >= CHANNEL_MAX_LINE)
         return -1;
      if(end >= size)
        {
         int left = size - m_consumed;
         for(int i = 0; i < left && m_consumed > 0; i++)
            m_incoming[i] = m_incoming[i + m_consumed];
         ArrayResize(m_incoming, left, CHANNEL_MAX_LINE);
         m_consumed = 0;
         return 0;
        }
      line = CharArrayToString(m_incoming, m_consumed, end - m_consumed, CP_UTF8);
      m_consumed = end + 1;
      return 1;
     }
  };

#endif
