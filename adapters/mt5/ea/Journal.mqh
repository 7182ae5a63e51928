// What survives a restart of the terminal: the intent table, the highest epoch, the floor, the
// halt, and up to when the engine has the deals. One file an account, only appended to while it
// runs; a line that does not match its own checksum (cut by a crash) is skipped.
#ifndef TIDEGATE_JOURNAL
#define TIDEGATE_JOURNAL

#include "Json.mqh"

#define JOURNAL_INTENTS_KEPT 512
#define JOURNAL_LINES_KEPT 4096

// FNV-1a 64 in hex, over ASCII.
string Fnv64(const string text)
  {
   ulong state = 0xCBF29CE484222325;
   int length = StringLen(text);
   for(int i = 0; i < length; i++)
     {
      state = state ^ (ulong)StringGetCharacter(text, i);
      state = state * 0x100000001B3;
     }
   return StringFormat("%08x%08x", (uint)(state >> 32), (uint)(state & 0xFFFFFFFF));
  }

// A row of the intent table. Retcode 0: taken, and not known to be answered.
struct Intent
  {
   string            id;
   long              epoch;
   long              retcode;
   ulong             deal;
   ulong             order;
   double            volume;
   double            price;
  };

class Journal
  {
private:
   int               m_handle;
   string            m_name;
   int               m_lines;
   Intent            m_intents[];
   long              m_epoch_seen;
   double            m_floor;
   bool              m_halted;
   long              m_deals_msc;

   int               Find(const string id)
     {
      for(int i = ArraySize(m_intents) - 1; i >= 0; i--)
         if(m_intents[i].id == id)
            return i;
      return -1;
     }

   string            IntentLine(const Intent &intent)
     {
      string line = "I|" + intent.id + "|" + IntegerToString(intent.epoch);
      line += "|" + IntegerToString(intent.retcode) + "|" + IntegerToString((long)intent.deal);
      line += "|" + IntegerToString((long)intent.order);
      return line + "|" + JsonNumber(intent.volume) + "|" + JsonNumber(intent.price);
     }

   void              Remember(const Intent &intent)
     {
      int at = Find(intent.id);
      if(at < 0)
        {
         int count = ArraySize(m_intents);
         if(count >= 2 * JOURNAL_INTENTS_KEPT)
           {
            for(int i = 0; i < JOURNAL_INTENTS_KEPT; i++)
               m_intents[i] = m_intents[count - JOURNAL_INTENTS_KEPT + i];
            count = JOURNAL_INTENTS_KEPT;
           }
         ArrayResize(m_intents, count + 1, JOURNAL_INTENTS_KEPT);
         at = count;
        }
      m_intents[at] = intent;
     }

   void              Read(const string line)
     {
      int cut = StringLen(line) - 17;
      if(cut < 1 || StringSubstr(line, cut) != "#" + Fnv64(StringSubstr(line, 0, cut)))
         return;
      string fields[];
      int count = StringSplit(StringSubstr(line, 0, cut), '|', fields);
      if(fields[0] == "E" && count == 2)
         m_epoch_seen = MathMax(m_epoch_seen, StringToInteger(fields[1]));
      else if(fields[0] == "F" && count == 2)
         m_floor = StringToDouble(fields[1]);
      else if(fields[0] == "H" && count == 2)
         m_halted = fields[1] == "1";
      else if(fields[0] == "D" && count == 2)
         m_deals_msc = MathMax(m_deals_msc, StringToInteger(fields[1]));
      else if(fields[0] == "I" && count == 8)
        {
         Intent intent;
         intent.id = fields[1];
         intent.epoch = StringToInteger(fields[2]);
         intent.retcode = StringToInteger(fields[3]);
         intent.deal = (ulong)StringToInteger(fields[4]);
         intent.order = (ulong)StringToInteger(fields[5]);
         intent.volume = StringToDouble(fields[6]);
         intent.price = StringToDouble(fields[7]);
         Remember(intent);
        }
     }

   bool              Put(const int handle, const string line)
     {
      string whole = line + "#" + Fnv64(line) + "\n";
      if(FileWriteString(handle, whole) < (uint)StringLen(whole))
         return false;
      m_lines++;
      return true;
     }

   bool              Append(const string line)
     {
      if(m_handle == INVALID_HANDLE || !Put(m_handle, line))
         return false;
      FileFlush(m_handle);
      return true;
     }

   // Writes what counts into a new file and puts it in the place of the old one.
   bool              Compact()
     {
      string fresh = m_name + ".new";
      int handle = FileOpen(fresh, FILE_WRITE | FILE_TXT | FILE_ANSI);
      if(handle == INVALID_HANDLE)
         return false;
      m_lines = 0;
      bool written = Put(handle, "E|" + IntegerToString(m_epoch_seen));
      written = Put(handle, "F|" + JsonNumber(m_floor)) && written;
      written = Put(handle, "H|" + (string)(m_halted ? "1" : "0")) && written;
      written = Put(handle, "D|" + IntegerToString(m_deals_msc)) && written;
      int count = ArraySize(m_intents);
      for(int i = MathMax(0, count - JOURNAL_INTENTS_KEPT); i < count; i++)
         written = Put(handle, IntentLine(m_intents[i])) && written;
      FileFlush(handle);
      FileClose(handle);
      return written && FileMove(fresh, 0, m_name, FILE_REWRITE);
     }

public:
                     Journal()
     {
      m_handle = INVALID_HANDLE;
      m_name = "";
      m_lines = 0;
      m_epoch_seen = 0;
      m_floor = 0.0;
      m_halted = false;
      m_deals_msc = 0;
     }

   // Reads the file and holds it open: without a share flag no second copy of the program on
   // this account can. False where it cannot be had.
   bool              Open(const string name)
     {
      m_name = name;
      ArrayResize(m_intents, 0);
      m_epoch_seen = 0;
      m_floor = 0.0;
      m_halted = false;
      m_deals_msc = 0;
      m_handle = FileOpen(m_name, FILE_READ | FILE_WRITE | FILE_TXT | FILE_ANSI);
      if(m_handle == INVALID_HANDLE)
         return false;
      int lines = 0;
      while(!FileIsEnding(m_handle))
        {
         Read(FileReadString(m_handle));
         lines++;
        }
      m_lines = lines;
      if(lines > JOURNAL_LINES_KEPT)
        {
         FileClose(m_handle);
         Compact();
         m_handle = FileOpen(m_name, FILE_READ | FILE_WRITE | FILE_TXT | FILE_ANSI);
         if(m_handle == INVALID_HANDLE)
            return false;
        }
      FileSeek(m_handle, 0, SEEK_END);
      // What follows a line that was cut must not be lost with it.
      FileWriteString(m_handle, "\n");
      FileFlush(m_handle);
      return true;
     }

   void              Close()
     {
      if(m_handle != INVALID_HANDLE)
         FileClose(m_handle);
      m_handle = INVALID_HANDLE;
     }

   long              EpochSeen() { return m_epoch_seen; }
   double            Floor() { return m_floor; }
   bool              Halted() { return m_halted; }
   // Server's wall clock; 0: no deal was ever acknowledged.
   long              DealsMsc() { return m_deals_msc; }

   bool              SeeEpoch(const long epoch)
     {
      if(epoch <= m_epoch_seen)
         return true;
      if(!Append("E|" + IntegerToString(epoch)))
         return false;
      m_epoch_seen = epoch;
      return true;
     }

   bool              SetFloor(const double floor_equity)
     {
      if(!Append("F|" + JsonNumber(floor_equity)))
         return false;
      m_floor = floor_equity;
      return true;
     }

   bool              SetHalted(const bool halted)
     {
      if(!Append("H|" + (string)(halted ? "1" : "0")))
         return false;
      m_halted = halted;
      return true;
     }

   void              SetDealsMsc(const long time_msc)
     {
      if(time_msc > m_deals_msc && Append("D|" + IntegerToString(time_msc)))
         m_deals_msc = time_msc;
     }

   // Whether the table has the intent; then its row.
   bool              Lookup(const string id, Intent &intent)
     {
      int at = Find(id);
      if(at < 0)
         return false;
      intent = m_intents[at];
      return true;
     }

   // Writes the row, first when the intent is taken and again when it is answered. False: it is
   // not on the disk, and what it would record must not be begun.
   bool              Note(const Intent &intent)
     {
      if(!Append(IntentLine(intent)))
         return false;
      Remember(intent);
      return true;
     }

   int               IntentCount() { return MathMin(ArraySize(m_intents), JOURNAL_INTENTS_KEPT); }

   // The row so many before the newest.
   void              Recent(const int back, Intent &intent)
     {
      intent = m_intents[ArraySize(m_intents) - 1 - back];
     }
  };

#endif
