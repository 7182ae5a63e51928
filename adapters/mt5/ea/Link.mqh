// The terminal's end of the link: connect, prove, then numbered frames. It never waits longer than
// a connection attempt; whoever owns it calls Run and Next from the timer.
#ifndef TIDEGATE_LINK
#define TIDEGATE_LINK

#include "Channel.mqh"
#include "Clock.mqh"
#include "Journal.mqh"

#define LINK_VERSION 1
#define LINK_HANDSHAKE_MS 5000
#define LINK_FIRST_PAUSE_MS 200
// A pause is drawn between this and two and a half times of it: 0.2-0.5 s first, 30 s at most.
#define LINK_LONGEST_PAUSE_MS 12000
#define LINK_REST_MS 5000
#define LINK_KEPT 4096
// The engine acknowledges at the latest after so many frames: an acknowledgement that is owed for
// long is the only sign that an engine is gone whose machine still takes bytes.
#define LINK_ACK_EVERY 64
#define LINK_OWED_MS 15000

enum LinkState
  {
   LINK_DOWN,
   LINK_AWAITING_CHALLENGE,
   LINK_AWAITING_WELCOME,
   LINK_UP
  };

enum LinkEvent
  {
   LINK_NOTHING,
   LINK_WELCOMED,
   LINK_COMMANDED
  };

// A deal or a result, until the engine has it.
struct Kept
  {
   long              n;
   string            kind;
   string            body;
   long              deal_msc;
  };

class Link
  {
private:
   LinkState         m_state;
   Channel           m_channel;
   string            m_hosts[];
   int               m_ports[];
   ulong             m_rest_until[];
   int               m_at;
   string            m_moved_host;
   int               m_moved_port;
   uchar             m_key[];
   string            m_session;
   string            m_nonce;
   string            m_server;
   long              m_epoch;
   long              m_next_n;
   long              m_acked;
   ulong             m_owed_since;
   Kept              m_kept[];
   long              m_signed_deal_msc;
   ulong             m_read_tick;
   ulong             m_state_tick;
   ulong             m_try_tick;
   int               m_pause_ms;
   ulong             m_heard_tick;

   static bool       AddressOf(const string text, string &host, int &port)
     {
      int colon = -1;
      for(int i = 0; i < StringLen(text); i++)
         if(StringGetCharacter(text, i) == ':')
            colon = i;
      if(colon < 1)
         return false;
      host = StringSubstr(text, 0, colon);
      port = (int)StringToInteger(StringSubstr(text, colon + 1));
      return port > 0 && port < 65536;
     }

   static int        Jittered(const int pause_ms)
     {
      return pause_ms + (int)((long)pause_ms * 3 * MathRand() / 65536);
     }

   void              Enter(const LinkState state)
     {
      m_state = state;
      m_state_tick = GetTickCount64();
     }

   bool              Write(const string line)
     {
      if(m_channel.Write(line))
         return true;
      Drop("the engine does not take what is sent");
      return false;
     }

   void              Connect()
     {
      string host = "";
      int port = 0;
      bool moved = m_moved_host != "";
      if(moved)
        {
         host = m_moved_host;
         port = m_moved_port;
         m_moved_host = "";
        }
      else
        {
         ulong now = GetTickCount64();
         int count = ArraySize(m_hosts);
         for(int i = 0; i < count && m_rest_until[m_at] > now; i++)
            m_at = (m_at + 1) % count;
         if(m_rest_until[m_at] > now)
           {
            m_try_tick = m_rest_until[m_at];
            return;
           }
         host = m_hosts[m_at];
         port = m_ports[m_at];
        }
      string wrong = m_channel.Open(host, port);
      if(wrong != "")
        {
         Fail(wrong, moved);
         return;
        }
      m_nonce = NewToken();
      if(Write(Hello()))
         Enter(LINK_AWAITING_CHALLENGE);
     }

   void              Fail(const string why, const bool moved)
     {
      if(!moved && ArraySize(m_hosts) > 1)
        {
         m_rest_until[m_at] = GetTickCount64() + LINK_REST_MS;
         m_at = (m_at + 1) % ArraySize(m_hosts);
        }
      Drop(why);
     }

   string            Hello()
     {
      string line = "{\"t\":\"h\",\"v\":" + IntegerToString(LINK_VERSION);
      line += ",\"login\":" + IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
      line += ",\"server\":" + JsonQuote(m_server);
      line += ",\"session\":\"" + m_session + "\",\"nonce\":\"" + m_nonce + "\"";
      line += ",\"epoch_seen\":" + IntegerToString(m_epoch);
      line += ",\"build\":" + IntegerToString(TerminalInfoInteger(TERMINAL_BUILD));
      string company = StringSubstr(AccountInfoString(ACCOUNT_COMPANY), 0, 128);
      line += ",\"company\":" + JsonQuote(company);
      line += ",\"currency\":" + JsonQuote(AccountInfoString(ACCOUNT_CURRENCY));
      long digits = AccountInfoInteger(ACCOUNT_CURRENCY_DIGITS);
      line += ",\"currency_digits\":" + IntegerToString(digits);
      long margin_mode = AccountInfoInteger(ACCOUNT_MARGIN_MODE);
      line += ",\"margin_mode\":" + IntegerToString(margin_mode);
      line += ",\"leverage\":" + IntegerToString(AccountInfoInteger(ACCOUNT_LEVERAGE));
      return line + ",\"gmt_offset_s\":" + IntegerToString(g_clock.GmtOffsetS()) + "}";
     }

   void              Prove(JsonObject &frame, Journal &journal)
     {
      long epoch = frame.Integer("epoch", 0);
      if(epoch <= journal.EpochSeen())
        {
         Refuse("epoch", "a higher epoch was seen here");
         return;
        }
      m_epoch = epoch;
      string said = IntegerToString(LINK_VERSION);
      said += "|" + IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN)) + "|" + m_server;
      said += "|" + m_session + "|" + m_nonce + "|" + frame.Text("challenge");
      said += "|" + IntegerToString(epoch);
      if(Write("{\"t\":\"a\",\"hmac\":\"" + HmacSha256(m_key, said) + "\"}"))
         Enter(LINK_AWAITING_WELCOME);
     }

   // The epoch is on the disk before anything is done in its name.
   bool              Welcome(JsonObject &frame, Journal &journal)
     {
      if(!journal.SeeEpoch(m_epoch))
        {
         Refuse("left", "the epoch cannot be recorded");
         return false;
        }
      m_next_n = MathMax(1, frame.Integer("resume_from", 1));
      Acknowledge(m_next_n - 1);
      m_acked = m_next_n - 1;
      m_owed_since = 0;
      m_pause_ms = LINK_FIRST_PAUSE_MS;
      Enter(LINK_UP);
      Print("Tidegate: linked to ", m_channel.Host(), ", epoch ", m_epoch);
      int count = ArraySize(m_kept);
      for(int i = 0; i < count; i++)
         m_kept[i].n = LONG_MAX;
      for(int i = 0; i < count && m_state == LINK_UP; i++)
        {
         m_kept[i].n = m_next_n;
         Tell(m_kept[i].kind, m_kept[i].body);
        }
      return m_state == LINK_UP;
     }

   void              Acknowledge(const long n)
     {
      m_acked = MathMax(m_acked, n);
      m_owed_since = 0;
      int gone = 0;
      while(gone < ArraySize(m_kept) && m_kept[gone].n <= n)
        {
         m_signed_deal_msc = MathMax(m_signed_deal_msc, m_kept[gone].deal_msc);
         gone++;
        }
      LetGo(gone);
     }

   void              LetGo(const int gone)
     {
      int left = ArraySize(m_kept) - gone;
      if(gone == 0)
         return;
      for(int i = 0; i < left; i++)
         m_kept[i] = m_kept[i + gone];
      ArrayResize(m_kept, left, 64);
     }

   void              Ended(JsonObject &frame)
     {
      string code = frame.Text("code");
      string host = "";
      int port = 0;
      if(code == "moved" && AddressOf(frame.Text("to"), host, port))
        {
         Drop("moved to " + frame.Text("to"));
         m_moved_host = host;
         m_moved_port = port;
         m_try_tick = GetTickCount64();
         return;
        }
      // To come back at once would only be refused, or throw out whoever took over.
      if(code != "moved" && code != "retry" && code != "too_slow")
         m_pause_ms = LINK_LONGEST_PAUSE_MS;
      Drop("the engine ended the link: " + code);
     }

   void              Refuse(const string code, const string message)
     {
      string last_word = "{\"t\":\"e\",\"code\":\"" + code + "\"";
      if(Write(last_word + ",\"message\":" + JsonQuote(message) + "}"))
         Drop(message);
     }

   void              Forget()
     {
      ArrayResize(m_hosts, 0);
      ArrayResize(m_ports, 0);
      ArrayResize(m_rest_until, 0);
      ArrayResize(m_kept, 0);
      m_at = 0;
      m_moved_host = "";
      m_next_n = 1;
      m_acked = 0;
      m_owed_since = 0;
      m_signed_deal_msc = 0;
      m_try_tick = 0;
      m_pause_ms = LINK_FIRST_PAUSE_MS;
     }

   bool              NextLine(string &line)
     {
      int found = m_channel.NextLine(line);
      if(found < 0)
         Refuse("too_long", "no more than 65536 bytes a line");
      return found > 0;
     }

public:
                     Link()
     {
      m_state = LINK_DOWN;
      m_at = 0;
      m_moved_host = "";
      m_moved_port = 0;
      m_epoch = 0;
      m_next_n = 1;
      m_acked = 0;
      m_owed_since = 0;
      m_signed_deal_msc = 0;
      m_read_tick = 0;
      m_state_tick = 0;
      m_try_tick = 0;
      m_pause_ms = LINK_FIRST_PAUSE_MS;
      m_heard_tick = 0;
     }

   // What is wrong with these inputs; empty where nothing is. `hosts`: host:port, by commas;
   // `pins`: thumbprints, by commas. A session of its own begins: what an earlier one kept is not
   // sent, its deals come from the history again and its results from the table.
   string            Start(const string hosts, const string pins, const string key_hex)
     {
      Forget();
      string parts[];
      int count = StringSplit(hosts, ',', parts);
      for(int i = 0; i < count; i++)
        {
         string host = "";
         int port = 0;
         string part = parts[i];
         StringTrimLeft(part);
         StringTrimRight(part);
         if(!AddressOf(part, host, port))
            return "Engine: not host:port: " + part;
         int size = ArraySize(m_hosts);
         ArrayResize(m_hosts, size + 1);
         ArrayResize(m_ports, size + 1);
         ArrayResize(m_rest_until, size + 1);
         m_hosts[size] = host;
         m_ports[size] = port;
         m_rest_until[size] = 0;
        }
      if(ArraySize(m_hosts) == 0)
         return "Engine: empty; host:port is needed";
      string wrong = m_channel.Pin(pins);
      if(wrong != "")
         return wrong;
      if(StringLen(key_hex) != 64 || !BytesOfHex(key_hex, m_key))
         return "the terminal key is not 64 hex digits";
      m_server = AccountInfoString(ACCOUNT_SERVER);
      m_session = NewToken();
      m_heard_tick = GetTickCount64();
      return m_session == "" ? "this terminal cannot hash (CryptEncode)" : "";
     }

   void              SetEpochSeen(const long epoch) { m_epoch = epoch; }
   bool              IsUp() { return m_state == LINK_UP; }
   string            State()
     {
      return m_state == LINK_UP ? "linked to " + m_channel.Host() : "not linked";
     }
   // When what Next gives came from the wire.
   ulong             ReadTick() { return m_read_tick; }
   // Server's wall clock of the newest deal that the engine acknowledged.
   long              SignedDealMsc() { return m_signed_deal_msc; }

   // For how long there has been no sign of the engine.
   ulong             SilentMs()
     {
      ulong now = GetTickCount64();
      if(m_state != LINK_UP)
         return now - m_heard_tick;
      return m_owed_since == 0 ? 0 : now - m_owed_since;
     }

   // Connects when it is time to, reads what has come, gives up what is dead.
   void              Run()
     {
      ulong now = GetTickCount64();
      if(m_state == LINK_DOWN)
        {
         if(now >= m_try_tick)
            Connect();
         return;
        }
      int size = m_channel.Read();
      if(size > 0)
        {
         m_read_tick = now;
         m_heard_tick = now;
        }
      else if(size < 0)
         Drop("the connection is lost");
      else if(m_state != LINK_UP && now - m_state_tick > LINK_HANDSHAKE_MS)
         Drop("no welcome in time");
      else if(m_state == LINK_UP && m_owed_since != 0 && now - m_owed_since > LINK_OWED_MS)
         Drop("nothing is acknowledged any more");
     }

   // The next thing the engine said that somebody else has to act on.
   LinkEvent         Next(JsonObject &frame, Journal &journal)
     {
      string line = "";
      while(m_state != LINK_DOWN && NextLine(line))
        {
         string kind = frame.Parse(line) ? frame.Text("t") : "";
         if(kind == "e")
            Ended(frame);
         else if(kind == "c" && m_state == LINK_AWAITING_CHALLENGE)
            Prove(frame, journal);
         else if(kind == "w" && m_state == LINK_AWAITING_WELCOME)
           {
            if(Welcome(frame, journal))
               return LINK_WELCOMED;
           }
         else if(kind == "k" && m_state == LINK_UP)
            Acknowledge(frame.Integer("n", 0));
         else if(kind == "x" && m_state == LINK_UP)
            return LINK_COMMANDED;
         else if(kind == "")
            Refuse("bad_frame", "not a frame");
         else
            Refuse("out_of_turn", "not expected now");
        }
      return LINK_NOTHING;
     }

   // One numbered frame; `body` is what follows the numbers, without the brace.
   bool              Tell(const string kind, const string body)
     {
      if(m_state != LINK_UP)
         return false;
      string line = "{\"t\":\"" + kind + "\",\"n\":" + IntegerToString(m_next_n);
      line += ",\"gmt_msc\":" + IntegerToString(g_clock.GmtMsc()) + "," + body + "}";
      m_next_n++;
      if(m_owed_since == 0 && m_next_n - 1 - m_acked > LINK_ACK_EVERY)
         m_owed_since = GetTickCount64();
      return Write(line);
     }

   // A deal or a result: sent again after a reconnect until it is acknowledged.
   void              TellKept(const string kind, const string body, const long deal_msc)
     {
      int count = ArraySize(m_kept);
      if(count >= LINK_KEPT)
        {
         // A full report and the broker's history heal what is let go here.
         LetGo(LINK_KEPT / 4);
         count = ArraySize(m_kept);
        }
      ArrayResize(m_kept, count + 1, 64);
      m_kept[count].n = m_state == LINK_UP ? m_next_n : LONG_MAX;
      m_kept[count].kind = kind;
      m_kept[count].body = body;
      m_kept[count].deal_msc = deal_msc;
      Tell(kind, body);
     }

   void              Leave()
     {
      if(m_state != LINK_DOWN)
         Refuse("left", "the expert is removed");
     }

   void              Drop(const string why)
     {
      m_channel.Close();
      m_state = LINK_DOWN;
      m_try_tick = GetTickCount64() + (ulong)Jittered(m_pause_ms);
      m_pause_ms = MathMin(LINK_LONGEST_PAUSE_MS, m_pause_ms * 2);
      Print("Tidegate: ", why, "; again in ", (long)(m_try_tick - GetTickCount64()), " ms");
     }
  };

#endif
