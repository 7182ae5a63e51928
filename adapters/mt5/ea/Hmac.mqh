// SHA-256 from the terminal, HMAC over it by hand (RFC 2104), hex, and tokens nobody else has.
#ifndef TIDEGATE_HMAC
#define TIDEGATE_HMAC

#include "Json.mqh"

#define HMAC_BLOCK_BYTES 64

void BytesOf(const string text, uchar &bytes[])
  {
   ArrayResize(bytes, 0);
   // With a length there is no terminating zero.
   if(StringLen(text) > 0)
      StringToCharArray(text, bytes, 0, StringLen(text), CP_UTF8);
  }

string HexOf(const uchar &bytes[])
  {
   string hex = "";
   for(int i = 0; i < ArraySize(bytes); i++)
      hex += StringFormat("%02x", (int)bytes[i]);
   return hex;
  }

// Whether the text is hex of an even number of digits; then the bytes it stands for.
bool BytesOfHex(const string hex, uchar &bytes[])
  {
   int length = StringLen(hex);
   if(length == 0 || length % 2 != 0)
      return false;
   ArrayResize(bytes, length / 2);
   for(int i = 0; i < length; i += 2)
     {
      int high = JsonHexDigit((int)StringGetCharacter(hex, i));
      int low = JsonHexDigit((int)StringGetCharacter(hex, i + 1));
      if(high < 0 || low < 0)
         return false;
      bytes[i / 2] = (uchar)(high * 16 + low);
     }
   return true;
  }

bool Sha256(const uchar &message[], uchar &digest[])
  {
   uchar none[];
   return CryptEncode(CRYPT_HASH_SHA256, message, none, digest) == 32;
  }

// Hex HMAC-SHA256 of an ASCII text; empty where the terminal cannot hash.
string HmacSha256(const uchar &key[], const string text)
  {
   uchar block[];
   ArrayResize(block, HMAC_BLOCK_BYTES);
   for(int i = 0; i < HMAC_BLOCK_BYTES; i++)
      block[i] = 0;
   uchar shortened[];
   if(ArraySize(key) > HMAC_BLOCK_BYTES)
     {
      if(!Sha256(key, shortened))
         return "";
      ArrayCopy(block, shortened, 0, 0, ArraySize(shortened));
     }
   else
      ArrayCopy(block, key, 0, 0, ArraySize(key));
   uchar message[];
   BytesOf(text, message);
   uchar inner[];
   ArrayResize(inner, HMAC_BLOCK_BYTES + ArraySize(message));
   uchar outer[];
   ArrayResize(outer, HMAC_BLOCK_BYTES + 32);
   for(int i = 0; i < HMAC_BLOCK_BYTES; i++)
     {
      inner[i] = (uchar)(block[i] ^ 0x36);
      outer[i] = (uchar)(block[i] ^ 0x5C);
     }
   ArrayCopy(inner, message, HMAC_BLOCK_BYTES, 0, ArraySize(message));
   uchar digest[];
   if(!Sha256(inner, digest))
      return "";
   ArrayCopy(outer, digest, HMAC_BLOCK_BYTES, 0, 32);
   if(!Sha256(outer, digest))
      return "";
   return HexOf(digest);
  }

// 32 hex digits never used before. They need not be secret, only new: the proof is over the
// engine's own challenge too.
string NewToken()
  {
   static int made = 0;
   made++;
   string seed = IntegerToString((long)TimeLocal()) + "|" + IntegerToString((long)TimeGMT());
   seed += "|" + IntegerToString((long)GetMicrosecondCount()) + "|" + IntegerToString(made);
   seed += "|" + IntegerToString(MathRand()) + "|" + IntegerToString(MathRand());
   seed += "|" + IntegerToString((long)GetTickCount64());
   seed += "|" + IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
   uchar bytes[];
   uchar digest[];
   BytesOf(seed, bytes);
   if(!Sha256(bytes, digest))
      return "";
   return StringSubstr(HexOf(digest), 0, 32);
  }

#endif
